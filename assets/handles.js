// Models from disk, so that a later visit can open them again without choosing their files: the browser's handles on files
// and folders, kept in IndexedDB. A handle is neither a copy nor a permission; the browser asks before one is read again.
// src/ui/picker/opened.rs and src/ui/handles.rs call it. Endings are those of the files that a model may have.
self.vitrineHandles = (() => {
  const STORE = "opened";

  const inStore = async (mode, ask) => {
    const database = await new Promise((resolve, reject) => {
      const request = indexedDB.open("vitrine", 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id", autoIncrement: true });
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    try {
      return await new Promise((resolve, reject) => {
        const transaction = database.transaction(STORE, mode);
        const request = ask(transaction.objectStore(STORE));
        transaction.oncomplete = () => resolve(request.result);
        transaction.onerror = transaction.onabort = () => reject(transaction.error);
      });
    } finally {
      database.close();
    }
  };

  // An error that says of which file it is.
  const about = async (name, work) => {
    try {
      return await work();
    } catch (error) {
      throw { name: error.name, message: error.message, file: name };
    }
  };

  const fits = (name, endings) => endings.some((ending) => name.endsWith(ending));

  const filesIn = (folder, endings) => about(folder.name, async () => {
    const files = [];
    for await (const handle of folder.values()) {
      if (handle.kind === "file" && fits(handle.name, endings)) files.push(await handle.getFile());
    }
    return files;
  });

  // What has no kind is a file that the page made itself, such as a config.json that somebody confirmed.
  const filesOf = async (handles, endings) => {
    const files = [];
    for (const handle of handles) {
      if (handle.kind === "directory") files.push(...(await filesIn(handle, endings)));
      else files.push(handle.kind ? await about(handle.name, () => handle.getFile()) : handle);
    }
    return files;
  };

  // The same without handles, in browsers that have none.
  const filesInEntry = async (entry, endings) => {
    const [reader, files] = [entry.createReader(), []];
    for (;;) {
      const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (entries.length === 0) return files;
      for (const one of entries.filter((one) => one.isFile && fits(one.name, endings))) {
        files.push(await new Promise((resolve, reject) => one.file(resolve, reject)));
      }
    }
  };

  const stamps = (files) => files.map(({ name, size, lastModified }) => ({ name, size, lastModified }));

  const isSame = async (some, others) => {
    const [a, b] = [some, others].map((handles) => handles.filter((handle) => handle.kind));
    if (a.length !== b.length) return false;
    for (const handle of a) {
      const found = await Promise.all(b.map((other) => handle.isSameEntry(other)));
      if (!found.includes(true)) return false;
    }
    return true;
  };

  const all = () => inStore("readonly", (store) => store.getAll());

  return {
    // Inside another page nothing may be chosen this way.
    canPick: () => "showOpenFilePicker" in self && self.parent === self,

    // Nothing if the user changed their mind.
    async pick(isFolder, endings) {
      const types = [{ description: "Files of a model", accept: { "application/octet-stream": endings } }];
      try {
        const handles = isFolder
          ? [await self.showDirectoryPicker({ id: "model" })]
          : await self.showOpenFilePicker({ id: "model", multiple: true, types });
        return { files: await filesOf(handles, endings), handles };
      } catch (error) {
        if (error.name === "AbortError") return null;
        throw error;
      }
    },

    // What was dropped: files, and handles on all of it where there are any. A drop is empty after the first wait.
    async dropped(transfer, endings) {
      const items = [...transfer.items].filter((item) => item.kind === "file");
      const asked = items.map((item) => [
        item.getAsFileSystemHandle?.().catch(() => null), item.webkitGetAsEntry?.(), item.getAsFile(),
      ]);
      if (asked.length === 0) return null;
      const [files, handles] = [[], []];
      for (const [asking, entry, file] of asked) {
        const handle = await asking;
        if (handle) handles.push(handle);
        if (handle) files.push(...(await filesOf([handle], endings)));
        else if (entry?.isDirectory) files.push(...(await filesInEntry(entry, endings)));
        else if (file) files.push(file);
      }
      return { files, handles: handles.length === asked.length ? handles : [] };
    },

    // Notes what was opened; the same files again take the place of the note before.
    async keep(words, handles, files) {
      const record = { words, handles, stamps: stamps(files), openedAt: Date.now() };
      for (const known of await all()) {
        if (await isSame(handles, known.handles)) record.id = known.id;
      }
      await inStore("readwrite", (store) => store.put(record));
    },

    // Newest first.
    async list() {
      const records = (await all()).sort((a, b) => b.openedAt - a.openedAt);
      return records.map(({ id, words, handles, openedAt }) => ({
        id, words, openedAt,
        names: handles.map((handle) => handle.name),
        isFolder: handles.every((handle) => handle.kind !== "file"),
      }));
    },

    // Reads it again, in a click: the browser may ask for permission. Which files are others than they were is in `changed`.
    async again(id, endings) {
      const record = await inStore("readonly", (store) => store.get(id));
      if (!record) throw { name: "NotFoundError", message: "" };
      for (const handle of record.handles.filter((handle) => handle.kind)) {
        const granted = await about(handle.name, () => handle.requestPermission({ mode: "read" }));
        if (granted !== "granted") throw { name: "NotAllowedError", message: "", file: handle.name };
      }
      const files = await filesOf(record.handles, endings);
      const before = new Map(record.stamps.map((stamp) => [stamp.name, stamp]));
      const isOther = ({ name, size, lastModified }) =>
        before.get(name)?.size !== size || before.get(name)?.lastModified !== lastModified;
      return { files, handles: record.handles, changed: files.filter(isOther).map(({ name }) => name) };
    },

    forget: (id) => inStore("readwrite", (store) => store.delete(id)),
  };
})();
