//! What the program prints: a sentence for people, or one JSON object a line for scripts.
use super::ProgramError;
use serde_json::{Map, Value};
use std::io::Write;

#[derive(Clone, Copy)]
pub(crate) struct Say {
    pub(crate) json: bool,
}

impl Say {
    /// One event. `text` may be empty: people then see nothing.
    pub(crate) fn event(self, name: &str, fields: &[(&str, Value)], text: &str) -> Result<(), ProgramError> {
        let mut out = std::io::stdout().lock();
        if self.json {
            let mut object = Map::new();
            object.insert("event".into(), name.into());
            object.extend(fields.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
            writeln!(out, "{}", Value::Object(object))?;
        } else if !text.is_empty() {
            writeln!(out, "{text}")?;
        }
        out.flush()?;
        Ok(())
    }
}
