// Opened from a folder, no page may start the search's worker: hide the search instead of failing.
if (location.protocol === "file:") {
  window.Worker = class { postMessage() {} };
  addEventListener("DOMContentLoaded", () => document.querySelectorAll('[role="search"]').forEach((e) => e.remove()));
}
