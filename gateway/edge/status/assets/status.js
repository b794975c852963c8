// Keeps the page up to date. Without it the page is the same, as of when it was loaded.
"use strict";

const RETRY = 5000;

/** Makes `old` what `fresh` is, touching only what differs: focus, selection and open details stay. */
function update(old, fresh) {
  for (const { name } of [...old.attributes]) {
    // Whether details are open is for whoever reads them.
    if (!fresh.hasAttribute(name) && !(name === "open" && old.localName === "details")) {
      old.removeAttribute(name);
    }
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  updateChildren(old, fresh);
}

function updateChildren(old, fresh) {
  const named = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  let next = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const known = child.id ? named.get(child.id) : next && !next.id ? next : null;
    if (known && known.nodeType === child.nodeType && known.nodeName === child.nodeName) {
      if (known === next) next = next.nextSibling;
      else old.insertBefore(known, next);
      if (child.nodeType === Node.ELEMENT_NODE) update(known, child);
      else if (known.nodeValue !== child.nodeValue) known.nodeValue = child.nodeValue;
    } else {
      old.insertBefore(document.importNode(child, true), next);
    }
  }
  while (next) {
    const gone = next;
    next = next.nextSibling;
    gone.remove();
  }
}

function show(event) {
  for (const [name, html] of Object.entries(JSON.parse(event.data))) {
    const old = document.getElementById(name);
    // Parsed apart from the page, so that nothing in it could run.
    const fresh = new DOMParser().parseFromString(html, "text/html").getElementById(name);
    if (old && fresh) update(old, fresh);
  }
  setLive(true);
}

function setLive(live) {
  document.documentElement.classList.toggle("live-now", live);
  document.documentElement.classList.toggle("not-live", !live);
}

function connect() {
  const source = new EventSource("events" + location.search);
  source.addEventListener("sections", show);
  source.addEventListener("error", async () => {
    setLive(false);
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    const answer = await fetch("api/v1/health").catch(() => null);
    if (answer && answer.status === 401) location.reload();
    else setTimeout(connect, RETRY);
  });
}

connect();
