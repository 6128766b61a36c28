// Runs before the first paint, so that a chosen theme does not flash. No choice: the system's.
try {
  var theme = localStorage.getItem("latchkey.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch (e) {
  // Storage may be switched off; then the system's theme it is.
}
