//! One element of a page.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{ELEMENT, Session, wire};

/// The code points that WebDriver uses for keys without a character.
pub mod key {
    /// Moves the focus on.
    pub const TAB: &str = "\u{e004}";
    /// Locks a selection.
    pub const ENTER: &str = "\u{e007}";
    /// Releases it.
    pub const ESCAPE: &str = "\u{e00c}";
    /// One head to the left.
    pub const LEFT: &str = "\u{e012}";
    /// One layer up.
    pub const UP: &str = "\u{e013}";
    /// One head to the right.
    pub const RIGHT: &str = "\u{e014}";
    /// One layer down.
    pub const DOWN: &str = "\u{e015}";
    /// Held together with what follows, until [`RELEASE`].
    pub const CONTROL: &str = "\u{e009}";
    /// Lets held keys go.
    pub const RELEASE: &str = "\u{e000}";
}

/// An element that was in the page when it was found.
pub struct Element<'a> {
    session: &'a Session,
    id: String,
}

impl<'a> Element<'a> {
    pub(super) fn new(session: &'a Session, id: &str) -> Self {
        Self { session, id: id.to_owned() }
    }

    /// The element as an argument for [`Session::script`].
    pub fn as_argument(&self) -> Value {
        json!({ ELEMENT: self.id })
    }

    fn path(&self, rest: &str) -> String {
        self.session.path(&format!("/element/{}{rest}", self.id))
    }

    fn post(&self, rest: &str, body: &Value) -> Result<()> {
        wire::post(&self.session.address, &self.path(rest), body).map(drop)
    }

    fn get(&self, rest: &str) -> Result<Value> {
        wire::get(&self.session.address, &self.path(rest))
    }

    /// Clicks in its middle.
    ///
    /// Errors: it is gone, hidden, or covered.
    pub fn click(&self) -> Result<()> {
        self.post("/click", &json!({}))
    }

    /// Empties a text box.
    ///
    /// Errors: it cannot be edited.
    pub fn clear(&self) -> Result<()> {
        self.post("/clear", &json!({}))
    }

    /// Types, after giving it the focus; a file input takes one path a line.
    ///
    /// Errors: it cannot be typed into.
    pub fn keys(&self, text: &str) -> Result<()> {
        self.post("/value", &json!({ "text": text }))
    }

    /// Its visible text.
    ///
    /// Errors: it is gone.
    pub fn text(&self) -> Result<String> {
        Ok(self.get("/text")?.as_str().unwrap_or_default().to_owned())
    }

    /// An attribute, or `None` if it has none of that name.
    ///
    /// Errors: the element is gone.
    pub fn attribute(&self, name: &str) -> Result<Option<String>> {
        let value = self
            .session
            .script("return arguments[0].getAttribute(arguments[1])", &[self.as_argument(), json!(name)])?;
        Ok(value.as_str().map(str::to_owned))
    }

    /// A number in an attribute.
    ///
    /// Errors: no such attribute, or not a number.
    pub fn number(&self, name: &str) -> Result<f64> {
        let text = self.attribute(name)?.with_context(|| format!("no attribute {name}"))?;
        text.parse().with_context(|| format!("{name} is {text:?}, not a number"))
    }

    /// The name that assistive technology reads out.
    ///
    /// Errors: the element is gone.
    pub fn accessible_name(&self) -> Result<String> {
        Ok(self.get("/computedlabel")?.as_str().unwrap_or_default().to_owned())
    }

    /// Whether it can be seen.
    ///
    /// Errors: the element is gone.
    pub fn is_visible(&self) -> Result<bool> {
        Ok(self.get("/displayed")?.as_bool().unwrap_or(false))
    }
}
