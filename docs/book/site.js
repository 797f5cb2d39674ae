// What scrolls sideways is reached with the keyboard; what does not is no stop on the way.
function reach() {
  for (const box of document.querySelectorAll("pre, .cell_output, .table-wrapper")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
addEventListener("load", reach);
addEventListener("resize", reach);
