//! What the user chose in the views: assignments of words to keys, the same in an address and in a view's controls.

use super::{heads::words, sides::Sorted};
use crate::{
    analysis::{effects::Component, heads::Metric},
    hook::HookPoint,
};

pub(super) mod lab;

use lab::Lab;

/// Tokens that are followed or compared at most, so that a link cannot ask for more than a view can show.
const MAX_TOKENS: usize = 8;

/// All choices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choices {
    /// Logit lens: whether the streams between attention and MLP are shown as well.
    pub halves: bool,
    /// Logit lens: whether every stream is divided by the last one's scale.
    pub is_frozen: bool,
    /// Logit lens: what the cells say.
    pub shade: Shade,
    /// Logit lens: ids of the tokens that are followed; none follows what the model says.
    pub pins: Vec<u32>,
    /// Attribution: ids of the targets; none takes what the model says.
    pub targets: Vec<u32>,
    /// Attribution: ids of the distractors.
    pub distractors: Vec<u32>,
    /// Attribution: whether heads and MLPs are apart in the waterfall.
    pub by_component: bool,
    /// Attribution: what is taken out to see whether it matters.
    pub test: Option<Component>,
    /// Attribution: what takes its place.
    pub ablation: Ablation,
    /// Residual stream: what the cells say.
    pub stream: Stream,
    /// Residual stream: the stream whose writers are listed; none lists those of the last.
    pub at: Option<HookPoint>,
    /// Residual stream: id of the token whose direction the stream is compared with.
    pub direction: Option<u32>,
    /// What the prompt is compared with.
    pub against: Against,
    /// What a table of both sides is sorted by.
    pub sorted: Sorted,
    /// A second prompt: to compare with, or to take values from.
    pub other: String,
    /// Heads: whether random tokens are read, twice, in place of the prompt.
    pub is_random: bool,
    /// Random tokens: how many are read twice; none takes as many as is usual.
    pub length: Option<usize>,
    /// Random tokens: seed of their drawing.
    pub draw: u32,
    /// Heads: what is measured.
    pub metric: Metric,
    /// Heads: how many are listed.
    pub top: Top,
    /// Heads: whether the smallest values come first.
    pub is_smallest: bool,
    /// Head: what the cells of its pattern are multiplied with.
    pub weigh: Weigh,
    /// Head: the key that is taken apart; none takes the one that is looked at most.
    pub key: Option<usize>,
    /// Head: whether it reads the embedding alone in place of the stream.
    pub is_embedding: bool,
    /// Induction lab: all of it.
    pub lab: Lab,
}

/// What the cells of the logit lens say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shade {
    /// The likeliest token and its probability.
    #[default]
    Top,
    /// The first followed token's rank and probability.
    Pinned,
    /// How far from the model's own distribution.
    Kl,
    /// How spread out.
    Entropy,
}

/// What the cells of the residual stream say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stream {
    /// Its norm.
    #[default]
    Norm,
    /// Its cosine with the stream before.
    Previous,
    /// Its cosine with the last stream.
    Final,
    /// Its cosine with a token's direction.
    Token,
}

/// What takes the place of what a component computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ablation {
    /// 0.
    #[default]
    Zero,
    /// Its mean over the page's example texts.
    Mean,
    /// What it is on the second prompt.
    Resample,
}

/// What a view is compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Against {
    /// Nothing.
    #[default]
    Nothing,
    /// The same prompt with a head or an MLP at 0.
    Without(Component),
    /// The second prompt.
    Other,
    /// The same prompt in another model.
    Model(String),
}

/// How many heads are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Top {
    /// 5
    #[default]
    Five,
    /// 10
    Ten,
    /// 20
    Twenty,
    /// Every one.
    All,
}

/// What a pattern is multiplied with, key by key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weigh {
    /// Nothing: the pattern itself.
    #[default]
    Pattern,
    /// The norm of the key's value.
    Value,
    /// The norm of what would be written for it.
    Output,
}

impl Top {
    pub(super) const ALL: [Self; 4] = [Self::Five, Self::Ten, Self::Twenty, Self::All];

    /// The word for it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Five => "5",
            Self::Ten => "10",
            Self::Twenty => "20",
            Self::All => "all",
        }
    }

    /// How many these are.
    pub fn n(self) -> usize {
        self.key().parse().unwrap_or(usize::MAX)
    }
}

impl Weigh {
    pub(super) const ALL: [Self; 3] = [Self::Pattern, Self::Value, Self::Output];

    /// The word for it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Pattern => "pattern",
            Self::Value => "value",
            Self::Output => "output",
        }
    }
}

impl Shade {
    pub(super) const ALL: [Self; 4] = [Self::Top, Self::Pinned, Self::Kl, Self::Entropy];

    /// The word for it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Top => "top",
            Self::Pinned => "pinned",
            Self::Kl => "kl",
            Self::Entropy => "entropy",
        }
    }
}

impl Stream {
    pub(super) const ALL: [Self; 4] = [Self::Norm, Self::Previous, Self::Final, Self::Token];

    /// The word for it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Norm => "norm",
            Self::Previous => "previous",
            Self::Final => "final",
            Self::Token => "token",
        }
    }
}

impl Ablation {
    pub(super) const ALL: [Self; 3] = [Self::Zero, Self::Mean, Self::Resample];

    /// The word for it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::Mean => "mean",
            Self::Resample => "resample",
        }
    }
}

impl Against {
    /// The word for it.
    pub fn key(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Without(component) => component_key(*component),
            Self::Other => "other".to_owned(),
            Self::Model(id) => format!("model:{id}"),
        }
    }

    fn from_key(key: &str) -> Self {
        match (key, key.strip_prefix("model:")) {
            (_, Some(id)) => Self::Model(id.to_owned()),
            ("other", None) => Self::Other,
            (key, None) => component_of(key).map_or(Self::Nothing, Self::Without),
        }
    }
}

impl Choices {
    /// Makes a choice; what is not understood becomes the default. Whether there is such a choice at all.
    pub fn set(&mut self, key: &str, value: &str) -> bool {
        match key {
            "halves" => self.halves = value == "yes",
            "scale" => self.is_frozen = value == "frozen",
            "shade" => self.shade = one_of(&Shade::ALL, Shade::key, value),
            "pin" => self.pins = ids_of(value),
            "target" => self.targets = ids_of(value),
            "distractor" => self.distractors = ids_of(value),
            "by" => self.by_component = value == "component",
            "test" => self.test = component_of(value),
            "ablation" => self.ablation = one_of(&Ablation::ALL, Ablation::key, value),
            "stream" => self.stream = one_of(&Stream::ALL, Stream::key, value),
            "at" => self.at = value.parse().ok(),
            "direction" => self.direction = ids_of(value).last().copied(), // The one that was typed last.
            "sort" => self.sorted = one_of(&Sorted::ALL, Sorted::key, value),
            "against" => self.against = Against::from_key(value),
            "other" => value.clone_into(&mut self.other),
            "on" => self.is_random = value == "random",
            "length" => self.length = value.parse().ok(),
            "draw" => self.draw = value.parse().unwrap_or_default(),
            "metric" => self.metric = one_of(&Metric::ALL, words::key, value),
            "top" => self.top = one_of(&Top::ALL, Top::key, value),
            "order" => self.is_smallest = value == "smallest",
            "weigh" => self.weigh = one_of(&Weigh::ALL, Weigh::key, value),
            "key" => self.key = value.parse().ok(),
            "reads" => self.is_embedding = value == "embedding",
            _ => return self.lab.set(key, value),
        }
        true
    }

    /// The choices that are not as they are at first, as [`Choices::set`] reads them.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let plain = Self::default();
        let Self {
            halves, is_frozen, shade, stream, ablation, by_component, sorted, metric, top, weigh, ..
        } = *self;
        let fields = [
            ("halves", halves.then(|| "yes".to_owned())),
            ("scale", is_frozen.then(|| "frozen".to_owned())),
            ("shade", (shade != plain.shade).then(|| shade.key().to_owned())),
            ("pin", written(&self.pins)),
            ("target", written(&self.targets)),
            ("distractor", written(&self.distractors)),
            ("by", by_component.then(|| "component".to_owned())),
            ("test", self.test.map(component_key)),
            ("ablation", (ablation != plain.ablation).then(|| ablation.key().to_owned())),
            ("stream", (stream != plain.stream).then(|| stream.key().to_owned())),
            ("at", self.at.map(|at| at.to_string())),
            ("direction", self.direction.map(|id| id.to_string())),
            ("sort", (sorted != plain.sorted).then(|| sorted.key().to_owned())),
            ("against", Some(self.against.key())),
            ("other", Some(self.other.clone())),
            ("on", self.is_random.then(|| "random".to_owned())),
            ("length", self.length.map(|length| length.to_string())),
            ("draw", (self.draw != plain.draw).then(|| self.draw.to_string())),
            ("metric", (metric != plain.metric).then(|| words::key(metric).to_owned())),
            ("top", (top != plain.top).then(|| top.key().to_owned())),
            ("order", self.is_smallest.then(|| "smallest".to_owned())),
            ("weigh", (weigh != plain.weigh).then(|| weigh.key().to_owned())),
            ("key", self.key.map(|key| key.to_string())),
            ("reads", self.is_embedding.then(|| "embedding".to_owned())),
        ];
        let is_there = |(key, value): (&'static str, Option<String>)| Some((key, value?));
        fields
            .into_iter()
            .chain(self.lab.fields())
            .filter_map(is_there)
            .filter(|(_, value)| !value.is_empty())
            .collect()
    }
}

/// `12.55.3`
pub(super) fn ids_key(ids: &[u32]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    ids.join(".")
}

fn written(ids: &[u32]) -> Option<String> {
    (!ids.is_empty()).then(|| ids_key(ids))
}

/// Each id once, in the order in which they are written.
fn ids_of(text: &str) -> Vec<u32> {
    let mut ids = vec![];
    for id in text.split('.').filter_map(|id| id.parse().ok()) {
        if !ids.contains(&id) && ids.len() < MAX_TOKENS {
            ids.push(id);
        }
    }
    ids
}

/// `h9.6`, `m3`, `n11.611`
pub(super) fn component_key(component: Component) -> String {
    match component {
        Component::Head([layer, head]) => format!("h{layer}.{head}"),
        Component::Mlp(layer) => format!("m{layer}"),
        Component::Neuron([layer, neuron]) => format!("n{layer}.{neuron}"),
    }
}

fn component_of(key: &str) -> Option<Component> {
    let pair = |text| super::cell_of(text);
    match (key.get(..1)?, key.get(1..)?) {
        ("h", rest) => pair(rest).map(Component::Head),
        ("n", rest) => pair(rest).map(Component::Neuron),
        ("m", rest) => rest.parse().ok().map(Component::Mlp),
        _ => None,
    }
}

fn one_of<T: Copy + Default>(all: &[T], key_of: fn(T) -> &'static str, key: &str) -> T {
    all.iter().copied().find(|one| key_of(*one) == key).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::Site;

    #[test]
    fn every_choice_is_written_and_read_back() {
        let choices = Choices {
            halves: true,
            is_frozen: true,
            shade: Shade::Kl,
            pins: vec![7, 3],
            targets: vec![1],
            distractors: vec![2, 5],
            by_component: true,
            test: Some(Component::Neuron([1, 611])),
            ablation: Ablation::Mean,
            stream: Stream::Final,
            at: Some(HookPoint::Block(1, Site::ResidMid)),
            direction: Some(0),
            against: Against::Without(Component::Head([1, 3])),
            sorted: Sorted::Left,
            other: "Once & again".into(),
            is_random: true,
            length: Some(20),
            draw: 7,
            metric: Metric::Copying,
            top: Top::All,
            is_smallest: true,
            weigh: Weigh::Output,
            key: Some(0),
            is_embedding: true,
            lab: Lab { out: vec![[1, 2], [0, 6]], step: Some(1050), ..Lab::default() },
        };
        let mut read = Choices::default();
        for (key, value) in choices.fields() {
            assert!(read.set(key, &value), "{key}");
        }
        assert_eq!(read, choices);
        assert_eq!(Choices::default().fields(), []);
    }

    #[test]
    fn nonsense_is_the_default() {
        let mut choices = Choices::default();
        for (key, value) in [
            ("shade", "x"),
            ("pin", "a.-1.99999999999"),
            ("test", "h1"),
            ("test", "é"),
            ("at", "blocks.x"),
            ("against", "n"),
            ("metric", "x"),
            ("length", "-1"),
            ("draw", "x"),
            ("key", "1.2"),
            ("top", "7"),
        ] {
            assert!(choices.set(key, value));
            assert_eq!(choices, Choices::default(), "{key}={value}");
        }
        assert!(!choices.set("model", "x"));
        choices.set("direction", "4.9");
        assert_eq!(choices.direction, Some(9));
        choices.set("pin", "1.2.1.3.4.5.6.7.8.9.10");
        assert_eq!(choices.pins, [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn another_model_may_have_any_name() {
        let against = Against::Model("owner/name@main".into());
        assert_eq!(Against::from_key(&against.key()), against);
    }
}
