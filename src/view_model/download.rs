//! A model on its way: bytes over all its files, how fast they come and how long it will take.

use super::number;

/// How the download of a model stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Download {
    files: Vec<(String, u64, Option<u64>)>,
    bytes_per_sec: Option<f64>,
    left_secs: Option<f64>,
    /// Whether the user has it wait.
    pub is_paused: bool,
}

impl Download {
    /// Takes in what is known of one file now.
    pub fn update(&mut self, file: String, done_bytes: u64, total_bytes: Option<u64>) {
        match self.files.iter_mut().find(|(name, _, _)| *name == file) {
            Some((_, done, total)) => (*done, *total) = (done_bytes, total_bytes),
            None => self.files.push((file, done_bytes, total_bytes)),
        }
    }

    /// Takes in how fast bytes come, and how long the rest takes at that rate.
    pub fn pace(&mut self, bytes_per_sec: Option<f64>, left_secs: Option<f64>) {
        (self.bytes_per_sec, self.left_secs) = (bytes_per_sec, left_secs);
    }

    /// Bytes so far.
    pub fn done_bytes(&self) -> u64 {
        self.files.iter().map(|(_, done, _)| done).sum()
    }

    /// Bytes in all, once the server has said it of every file under way.
    pub fn total_bytes(&self) -> Option<u64> {
        if self.files.is_empty() {
            return None;
        }
        self.files.iter().map(|(_, _, total)| *total).sum()
    }

    /// Whole percent, where the total is known.
    pub fn percent(&self) -> Option<u64> {
        Some(number::percent(self.done_bytes(), self.total_bytes()?))
    }

    /// `1.2 MB of 2.4 MB, 50 %, 3.1 MB/s, 12 s left`
    pub fn text(&self) -> String {
        let done = number::bytes(self.done_bytes());
        let mut text = match (self.total_bytes(), self.percent()) {
            (Some(total), Some(percent)) => format!("{done} of {}, {percent} %", number::bytes(total)),
            _ if self.files.is_empty() => "waiting for the server".to_owned(),
            _ => done,
        };
        if self.is_paused {
            return text + ", paused";
        }
        if let Some(rate) = self.bytes_per_sec {
            text += &format!(", {}/s", number::bytes(rate as u64));
        }
        if let Some(left_secs) = self.left_secs.filter(|secs| secs.is_finite()) {
            text += &format!(", {} left", number::duration(left_secs));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_add_up() {
        let mut download = Download::default();
        assert_eq!(download.text(), "waiting for the server");
        download.update("config.json".into(), 500, Some(500));
        download.update("model.safetensors".into(), 1_000_000, Some(2_000_000));
        download.update("model.safetensors".into(), 1_500_000, Some(2_000_000));
        assert_eq!(download.text(), "1.5 MB of 2.0 MB, 75 %");
        download.update("tokenizer.json".into(), 10, None);
        assert_eq!(download.percent(), None);
    }

    #[test]
    fn a_rate_is_said_while_bytes_come() {
        let mut download = Download::default();
        download.update("model.safetensors".into(), 10_000_000, Some(160_000_000));
        download.pace(Some(2e6), Some(75.0));
        assert_eq!(download.text(), "10.0 MB of 160.0 MB, 6 %, 2.0 MB/s, 1 min 15 s left");
        download.is_paused = true;
        assert_eq!(download.text(), "10.0 MB of 160.0 MB, 6 %, paused");
    }
}
