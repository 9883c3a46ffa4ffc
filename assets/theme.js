// The visitor's theme, before the first paint: the page's module comes too late for that. See src/ui/theme.rs.
try {
  const theme = localStorage.getItem("vitrine-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // No storage here: as the system has it.
}
