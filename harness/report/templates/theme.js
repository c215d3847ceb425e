// Chosen before anything is drawn, so that the page never flashes in the other theme.
(function () {
  var kept = null;
  try { kept = localStorage.getItem("tenant-harness-theme"); } catch (refused) { /* a private window keeps nothing */ }
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
})();
