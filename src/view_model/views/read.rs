//! Answers as the views read them: by hand, because derived readers of five kinds weigh as much as all their views.
//!
//! What is left out here is not on screen. The tests write each answer with its type and read it back.

mod heads;
mod induction;

pub use heads::{head, heads};
pub use induction::{induction, training};
use serde::de::Error as _;
use serde_json::{Error, Value};

use crate::{
    analysis::{
        attribution::{self, NeuronPart, Part},
        effects::{self, Component, Effect},
        likeliest::Likeliest,
        logit_lens::{self, LensScale},
        loss::{self, Side},
        residual::{self, Push, Written},
    },
    hook::HookPoint,
    prompt::Token,
    run::Writer,
    tensor::HostTensor,
};

/// The answer to [`logit_lens::Question`], its arrays yet to be attached.
///
/// Errors: it has another form.
pub fn lens(json: &str) -> Result<logit_lens::Answer, Error> {
    whole(json, |value| {
        Some(logit_lens::Answer {
            tokens: tokens(value, "tokens")?,
            positions: list(value, "positions", index)?,
            rows: list(value, "rows", hook)?,
            scale: match value.get("scale")?.as_str()? {
                "frozen" => LensScale::Frozen,
                _ => LensScale::Recomputed,
            },
            top: likeliest(value.get("top")?)?,
            kl_nats: tensor(value, "kl_nats")?,
            entropy_nats: tensor(value, "entropy_nats")?,
            next_logprobs: tensor(value, "next_logprobs")?,
            next_ranks: tensor(value, "next_ranks")?,
            pinned: tokens(value, "pinned")?,
            pinned_logits: tensor(value, "pinned_logits")?,
            pinned_logprobs: tensor(value, "pinned_logprobs")?,
            pinned_ranks: tensor(value, "pinned_ranks")?,
        })
    })
}

/// The answer to [`attribution::Question`].
///
/// Errors: it has another form.
pub fn attribution(json: &str) -> Result<attribution::Answer, Error> {
    whole(json, |value| {
        Some(attribution::Answer {
            tokens: tokens(value, "tokens")?,
            pos: index(value.get("pos")?)?,
            targets: tokens(value, "targets")?,
            distractors: tokens(value, "distractors")?,
            logit_diff: number(value, "logit_diff")?,
            capped_logit_diff: number(value, "capped_logit_diff"),
            scale: number(value, "scale")? as f32,
            parts: list(value, "parts", |part| {
                Some(Part { writer: writer(part.get("writer")?)?, value: number(part, "value")? })
            })?,
            neurons: list(value, "neurons", |neuron| {
                Some(NeuronPart {
                    layer: index(neuron.get("layer")?)?,
                    neuron: index(neuron.get("neuron")?)?,
                    activation: number(neuron, "activation")? as f32,
                    value: number(neuron, "value")?,
                })
            })?,
            n_neurons: index(value.get("n_neurons")?)?,
        })
    })
}

/// The answer to [`effects::Question`].
///
/// Errors: it has another form.
pub fn effects(json: &str) -> Result<effects::Answer, Error> {
    let effect = |value: &Value| {
        let (kind, place) = tagged(value.get("component")?)?;
        let component = match kind {
            "head" => Component::Head(pair(place)?),
            "neuron" => Component::Neuron(pair(place)?),
            "mlp" => Component::Mlp(index(place)?),
            _ => return None,
        };
        Some(Effect { component, change: number(value, "change") })
    };
    whole(json, |value| {
        Some(effects::Answer {
            tokens: tokens(value, "tokens")?,
            base: number(value, "base")?,
            effects: list(value, "effects", effect)?,
            random: list(value, "random", effect)?,
            n_reference: index(value.get("n_reference")?)?,
        })
    })
}

/// The answer to [`residual::Question`], its arrays yet to be attached.
///
/// Errors: it has another form.
pub fn residual(json: &str) -> Result<residual::Answer, Error> {
    whole(json, |value| {
        Some(residual::Answer {
            tokens: tokens(value, "tokens")?,
            rows: list(value, "rows", hook)?,
            norms: tensor(value, "norms")?,
            cos_previous: tensor(value, "cos_previous")?,
            cos_final: tensor(value, "cos_final")?,
            token: value.get("token").and_then(token),
            cos_token: tensor(value, "cos_token"),
            at: hook(value.get("at")?)?,
            pos: index(value.get("pos")?)?,
            norm: number(value, "norm")? as f32,
            scale: number(value, "scale")? as f32,
            writers: list(value, "writers", |written| {
                Some(Written {
                    writer: writer(written.get("writer")?)?,
                    norm: number(written, "norm")? as f32,
                    projection: number(written, "projection")? as f32,
                    promoted: list(written, "promoted", push).unwrap_or_default(),
                    suppressed: list(written, "suppressed", push).unwrap_or_default(),
                })
            })?,
        })
    })
}

/// The answer to [`loss::Question`], its arrays yet to be attached.
///
/// Errors: it has another form.
pub fn loss(json: &str) -> Result<loss::Answer, Error> {
    whole(json, |value| {
        Some(loss::Answer {
            tokens: tokens(value, "tokens")?,
            sides: list(value, "sides", |side| {
                Some(Side {
                    mean_nats: number(side, "mean_nats")?,
                    mean_bits: number(side, "mean_bits")?,
                    first_half_nats: number(side, "first_half_nats"),
                    second_half_nats: number(side, "second_half_nats"),
                    logprobs: tensor(side, "logprobs")?,
                    ranks: tensor(side, "ranks")?,
                    top: likeliest(side.get("top")?)?,
                })
            })?,
        })
    })
}

fn whole<T>(json: &str, read: impl FnOnce(&Value) -> Option<T>) -> Result<T, Error> {
    let value: Value = serde_json::from_str(json)?;
    read(&value).ok_or_else(|| Error::custom("a part of it is missing or of another kind"))
}

fn list<T>(value: &Value, key: &str, read: impl FnMut(&Value) -> Option<T>) -> Option<Vec<T>> {
    value.get(key)?.as_array()?.iter().map(read).collect()
}

fn number(value: &Value, key: &str) -> Option<f64> {
    value.get(key)?.as_f64()
}

fn index(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

fn pair(value: &Value) -> Option<[usize; 2]> {
    Some([index(value.get(0)?)?, index(value.get(1)?)?])
}

fn hook(value: &Value) -> Option<HookPoint> {
    value.as_str()?.parse().ok()
}

fn tokens(value: &Value, key: &str) -> Option<Vec<Token>> {
    list(value, key, token)
}

fn token(value: &Value) -> Option<Token> {
    let byte = |byte: &Value| u8::try_from(byte.as_u64()?).ok();
    Some(Token {
        id: u32::try_from(value.get("id")?.as_u64()?).ok()?,
        text: value.get("text").and_then(Value::as_str).map(str::to_owned),
        bytes: list(value, "bytes", byte),
        is_special: value.get("is_special").and_then(Value::as_bool).unwrap_or(false),
    })
}

/// A tensor without its values, which travel beside the text.
fn tensor(value: &Value, key: &str) -> Option<HostTensor> {
    Some(HostTensor::detached(list(value.get(key)?, "shape", index)?))
}

fn likeliest(value: &Value) -> Option<Likeliest> {
    Some(Likeliest {
        tokens: tokens(value, "tokens")?,
        indices: tensor(value, "indices")?,
        logprobs: tensor(value, "logprobs")?,
    })
}

fn push(value: &Value) -> Option<Push> {
    Some(Push { token: token(value.get("token")?)?, logit: number(value, "logit")? as f32 })
}

/// `{"head": ..}`: the word and what belongs to it.
fn tagged(value: &Value) -> Option<(&str, &Value)> {
    value.as_object()?.iter().next().map(|(kind, place)| (kind.as_str(), place))
}

fn writer(value: &Value) -> Option<Writer> {
    if let Some(word) = value.as_str() {
        return Some(match word {
            "embed" => Writer::Embed,
            "pos_embed" => Writer::PosEmbed,
            "interventions" => Writer::Interventions,
            "final_bias" => Writer::FinalBias,
            "unembed_bias" => Writer::UnembedBias,
            _ => return None,
        });
    }
    let (kind, place) = tagged(value)?;
    Some(match kind {
        "head" => Writer::Head(pair(place)?),
        "attn_bias" => Writer::AttnBias(index(place)?),
        "mlp" => Writer::Mlp(index(place)?),
        "mlp_bias" => Writer::MlpBias(index(place)?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{self, token as word},
        *,
    };

    /// What travels: the text of an answer whose arrays are elsewhere.
    pub(super) fn sent<T: serde::Serialize>(answer: &T) -> String {
        serde_json::to_string(answer).expect("an answer is JSON")
    }

    pub(super) fn detach(tensors: Vec<&mut HostTensor>) {
        tensors.into_iter().for_each(|tensor| _ = tensor.detach());
    }

    #[test]
    fn every_answer_is_read_as_it_was_written() {
        let mut answer = tests::lens();
        answer.scale = LensScale::Frozen;
        answer.tokens.push(Token { id: 3, text: None, bytes: Some(vec![226, 128]), is_special: true });
        detach(answer.tensors_mut());
        assert_eq!(lens(&sent(&answer)).expect("is read"), answer);

        let mut answer = tests::attribution();
        answer.capped_logit_diff = Some(1.5);
        answer
            .parts
            .extend([Writer::PosEmbed, Writer::Interventions].map(|writer| Part { writer, value: 0.125 }));
        assert_eq!(attribution(&sent(&answer)).expect("is read"), answer);

        let mut answer = tests::effects();
        answer.random.push(Effect { component: Component::Neuron([1, 2]), change: None });
        answer.random.push(Effect { component: Component::Mlp(3), change: Some(0.5) });
        assert_eq!(effects(&sent(&answer)).expect("is read"), answer);

        let mut answer = tests::residual();
        answer.token = Some(word(4, " x"));
        answer.cos_token = Some(answer.norms.clone());
        answer.writers[0].suppressed = vec![Push { token: word(4, " x"), logit: -0.5 }];
        detach(answer.tensors_mut());
        assert_eq!(residual(&sent(&answer)).expect("is read"), answer);

        let mut answer = tests::loss(&[[-2.0, -1.0], [-1.0, -0.5]]);
        answer.sides[1].first_half_nats = None;
        detach(answer.tensors_mut());
        assert_eq!(loss(&sent(&answer)).expect("is read"), answer);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let json = sent(&tests::attribution());
        assert!(attribution(&json.replace("unembed_bias", "unbed_bias")).is_err());
        assert!(attribution(&json.replace("\"pos\":1", "\"pos\":-1")).is_err());
        assert!(attribution(&json[1..]).is_err());
        assert!(lens(&json).is_err());
        assert!(loss("null").is_err());
    }
}
