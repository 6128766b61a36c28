// The popup has done its work. A browser closes only windows that a script opened; where it does not, the page's words
// say that it may be closed.
const wait = Number(document.documentElement.dataset.closeAfter);
if (Number.isFinite(wait) && wait >= 0) setTimeout(() => window.close(), wait);
