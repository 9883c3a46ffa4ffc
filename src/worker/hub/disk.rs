//! The browser's file system that belongs to this site alone (OPFS): folders, and files with one reader or writer.

use js_sys::{AsyncIterator, JsString, Reflect};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, FileSystemReadWriteOptions, FileSystemRemoveOptions,
    FileSystemSyncAccessHandle,
};

/// Under which name all that is kept of hubs lies.
const TOP: &str = "hub";

/// A folder.
pub(super) struct Folder(FileSystemDirectoryHandle);

/// A file that nobody else opens meanwhile. Dropping it closes it.
pub(super) struct OpenFile(FileSystemSyncAccessHandle);

impl Folder {
    /// The one with all others.
    ///
    /// Errors: this browser has none here, as in some private windows.
    pub(super) async fn top() -> Result<Self, JsValue> {
        let storage = Reflect::get(&crate::worker::scope().navigator(), &"storage".into())?;
        let open: js_sys::Function = Reflect::get(&storage, &"getDirectory".into())?.dyn_into()?;
        let root: FileSystemDirectoryHandle =
            JsFuture::from(js_sys::Promise::from(open.call0(&storage)?)).await?.dyn_into()?;
        Self(root).folder(TOP).await
    }

    /// The folder with this name in it, made if it is not there.
    pub(super) async fn folder(&self, name: &str) -> Result<Self, JsValue> {
        let options = FileSystemGetDirectoryOptions::new();
        options.set_create(true);
        let folder = JsFuture::from(self.0.get_directory_handle_with_options(name, &options)).await?;
        Ok(Self(folder.unchecked_into()))
    }

    /// Opens the file with this name, made if it is not there.
    ///
    /// Errors: somebody else has it open.
    pub(super) async fn open(&self, name: &str) -> Result<OpenFile, JsValue> {
        let options = FileSystemGetFileOptions::new();
        options.set_create(true);
        let file = JsFuture::from(self.0.get_file_handle_with_options(name, &options)).await?;
        if !Reflect::has(&file, &"createSyncAccessHandle".into())? {
            return Err(JsValue::NULL);
        }
        let file: FileSystemFileHandle = file.unchecked_into();
        Ok(OpenFile(JsFuture::from(file.create_sync_access_handle()).await?.unchecked_into()))
    }

    /// The file with this name as it is now, whoever has it open.
    pub(super) async fn blob(&self, name: &str) -> Result<Blob, JsValue> {
        let file = JsFuture::from(self.0.get_file_handle(name)).await?;
        let file: FileSystemFileHandle = file.unchecked_into();
        Ok(JsFuture::from(file.get_file()).await?.unchecked_into())
    }

    /// Removes the file, or the folder with all that is in it.
    pub(super) async fn remove(&self, name: &str) -> Result<(), JsValue> {
        let options = FileSystemRemoveOptions::new();
        options.set_recursive(true);
        JsFuture::from(self.0.remove_entry_with_options(name, &options)).await.map(drop)
    }

    /// The names of all that is in it.
    pub(super) async fn names(&self) -> Result<Vec<String>, JsValue> {
        let keys: AsyncIterator = self.0.keys();
        let mut names = vec![];
        loop {
            let next = JsFuture::from(keys.next()?).await?;
            if Reflect::get(&next, &"done".into())?.is_truthy() {
                return Ok(names);
            }
            names.extend(Reflect::get(&next, &"value".into())?.dyn_ref::<JsString>().map(String::from));
        }
    }
}

impl OpenFile {
    /// Bytes from `start`, as many as there are and `into` has room for.
    pub(super) fn read(&self, start: u64, into: &mut [u8]) -> Result<usize, JsValue> {
        Ok(self.0.read_with_u8_array_and_options(into, &at(start))? as usize)
    }

    /// Writes all of `bytes` at `start`.
    ///
    /// Errors: there is no room.
    pub(super) fn write(&self, start: u64, bytes: &[u8]) -> Result<(), JsValue> {
        let n_written = self.0.write_with_u8_array_and_options(bytes, &at(start))? as usize;
        if n_written < bytes.len() { Err(JsValue::NULL) } else { Ok(()) }
    }

    /// All of it.
    pub(super) fn read_all(&self) -> Result<Vec<u8>, JsValue> {
        let mut bytes = vec![0; self.0.get_size()? as usize];
        let n_read = self.read(0, &mut bytes)?;
        bytes.truncate(n_read);
        Ok(bytes)
    }

    /// Makes this all of it.
    pub(super) fn write_all(&self, bytes: &[u8]) -> Result<(), JsValue> {
        self.write(0, bytes)?;
        self.0.truncate_with_f64(bytes.len() as f64)
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn at(start: u64) -> FileSystemReadWriteOptions {
    let options = FileSystemReadWriteOptions::new();
    options.set_at(start as f64);
    options
}
