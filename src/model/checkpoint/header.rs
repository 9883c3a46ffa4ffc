//! The start of a safetensors file: eight bytes that say how long the header is, and the header, JSON.

use super::{LoadError, TensorFile};

/// Bytes before the header.
const LENGTH_BYTES: usize = 8;
/// Longer headers do not occur; a larger number means that these are not lengths at all.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Collects the start of a file until it is whole.
#[derive(Debug, Default)]
pub(super) struct Header {
    bytes: Vec<u8>,
}

impl Header {
    /// Takes what belongs to it from the front of `bytes`. Once it is whole: the tensors, and how long a file
    /// with them is. `total_bytes` is how long this one is, if that is known.
    ///
    /// Errors: this is no safetensors file; it is, and cut short.
    pub(super) fn take(
        &mut self,
        bytes: &mut &[u8],
        total_bytes: Option<u64>,
    ) -> Result<Option<(TensorFile, u64)>, LoadError> {
        // The brace that begins the header tells it from other files.
        self.take_until(LENGTH_BYTES + 1, bytes);
        let Some(end) = self.end()? else { return Ok(None) };
        refuse_cut(end, total_bytes)?;
        self.take_until(end as usize, bytes);
        if (self.bytes.len() as u64) < end {
            return Ok(None);
        }
        let header = &self.bytes[LENGTH_BYTES..];
        let tensors = TensorFile::parse(header).or_else(|error| {
            refuse_cut(
                described_end(header).and_then(|data| data.checked_add(end)).unwrap_or(0),
                total_bytes,
            )?;
            Err(error)
        })?;
        let file_bytes = end.saturating_add(tensors.data_bytes());
        refuse_cut(file_bytes, total_bytes)?;
        match total_bytes {
            Some(total_bytes) if file_bytes < total_bytes => Err(too_long(file_bytes)),
            _ => Ok(Some((tensors, file_bytes))),
        }
    }

    /// What is wrong with a file that ends here.
    pub(super) fn cut(&self) -> LoadError {
        let got_bytes = self.bytes.len() as u64;
        match self.end() {
            Err(error) => error,
            Ok(Some(expected_bytes)) => LoadError::Truncated { expected_bytes, got_bytes },
            Ok(None) if got_bytes == 0 => LoadError::NotSafetensors { message: "it is empty".to_owned() },
            Ok(None) => LoadError::NotSafetensors { message: format!("it has only {got_bytes} bytes") },
        }
    }

    fn take_until(&mut self, len: usize, bytes: &mut &[u8]) {
        let n = len.saturating_sub(self.bytes.len()).min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..n]);
        *bytes = &bytes[n..];
    }

    /// Where the header ends, bytes from the start of the file; `None` before that can be told.
    fn end(&self) -> Result<Option<u64>, LoadError> {
        let (Some(length), Some(first)) = (self.bytes.first_chunk(), self.bytes.get(LENGTH_BYTES)) else {
            return Ok(None);
        };
        let header_bytes = u64::from_le_bytes(*length);
        if header_bytes > MAX_HEADER_BYTES || *first != b'{' {
            let message = "it does not begin with a header".to_owned();
            return Err(LoadError::NotSafetensors { message });
        }
        Ok(Some(header_bytes + LENGTH_BYTES as u64))
    }
}

/// Tells a file that goes on after its last tensor.
pub(super) fn too_long(file_bytes: u64) -> LoadError {
    LoadError::NotSafetensors {
        message: format!("it goes on after the {file_bytes} bytes that it describes"),
    }
}

fn refuse_cut(expected_bytes: u64, total_bytes: Option<u64>) -> Result<(), LoadError> {
    match total_bytes {
        Some(got_bytes) if got_bytes < expected_bytes => {
            Err(LoadError::Truncated { expected_bytes, got_bytes })
        }
        _ => Ok(()),
    }
}

/// Where the furthest tensor of a header ends, also of one that is not valid.
fn described_end(header: &[u8]) -> Option<u64> {
    let header: serde_json::Value = serde_json::from_slice(header).ok()?;
    let ends = header.as_object()?.values().filter_map(|entry| entry.get("data_offsets")?.get(1)?.as_u64());
    ends.max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Vec<u8> {
        let header = r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 8]].concat()
    }

    /// What comes of a file, a few bytes at a time.
    fn read(file: &[u8], portion: usize, total_bytes: Option<u64>) -> Result<u64, LoadError> {
        let mut header = Header::default();
        for mut bytes in file.chunks(portion) {
            if let Some((_, file_bytes)) = header.take(&mut bytes, total_bytes)? {
                return Ok(file_bytes);
            }
        }
        Err(header.cut())
    }

    #[test]
    fn a_header_is_read_in_any_portions() {
        let file = file();
        let file_bytes = file.len() as u64;
        for portion in [1, 2, 7, 9, file.len()] {
            for total_bytes in [None, Some(file_bytes)] {
                assert_eq!(read(&file, portion, total_bytes), Ok(file_bytes), "{portion} at a time");
            }
            let cut = LoadError::Truncated { expected_bytes: file_bytes, got_bytes: file_bytes - 3 };
            assert_eq!(read(&file, portion, Some(file_bytes - 3)), Err(cut));
            assert_eq!(read(&file, portion, Some(file_bytes + 1)), Err(too_long(file_bytes)));
            let in_header = LoadError::Truncated { expected_bytes: file_bytes - 8, got_bytes: 20 };
            assert_eq!(read(&file[..20], portion, None), Err(in_header.clone()));
            assert_eq!(read(&file[..20], portion, Some(20)), Err(in_header));
        }
    }

    #[test]
    fn what_is_no_safetensors_file_is_refused() {
        for bytes in [&b""[..], b"PK\x03\x04 a zip, as .pt files are", b"{}", &[0xff; 64], &[0; 9]] {
            for portion in [1, 64] {
                let error = read(bytes, portion, None).expect_err("is refused");
                assert!(matches!(error, LoadError::NotSafetensors { .. }), "{error}");
            }
        }
    }
}
