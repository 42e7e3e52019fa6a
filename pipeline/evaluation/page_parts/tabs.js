"use strict";
// Tabs as the ARIA practices describe them: one of a list is in the tab order, arrow keys, Home and End move on.
// A list that is turned sends "turned" with the place of its tab.
(() => {
  const select = (list, place, focus) => {
    const tabs = [...list.querySelectorAll("[role=tab]")];
    tabs.forEach((tab, index) => {
      tab.setAttribute("aria-selected", index === place);
      tab.tabIndex = index === place ? 0 : -1;
    });
    document.getElementById(tabs[place].getAttribute("aria-controls"))?.setAttribute("aria-labelledby", tabs[place].id);
    if (focus) tabs[place].focus();
  };

  for (const list of document.querySelectorAll("[role=tablist]")) {
    const tabs = [...list.querySelectorAll("[role=tab]")];
    const turn = (place, focus) => {
      select(list, place, focus);
      list.dispatchEvent(new CustomEvent("turned", { bubbles: true, detail: place }));
    };
    tabs.forEach((tab, place) => tab.addEventListener("click", () => turn(place, false)));
    list.addEventListener("select-tab", (event) => select(list, event.detail, false));
    list.addEventListener("keydown", (event) => {
      const here = tabs.indexOf(document.activeElement), last = tabs.length - 1;
      const to = { ArrowRight: here === last ? 0 : here + 1, ArrowLeft: here ? here - 1 : last, Home: 0, End: last }[event.key];
      if (to === undefined || here < 0) return;
      event.preventDefault();
      event.stopPropagation(); // arrow keys of the viewer go to another photograph
      turn(to, true);
    });
  }
})();
