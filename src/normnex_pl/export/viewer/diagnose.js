// Says which file keeps the viewer from starting, and why: browsers tell that only to their console. A classic
// script, which they run whatever its content type is.
"use strict";

(() => {
  const IMPORTS = /^(?:import|export)\b[^;"]*"(\.{1,2}\/[^"]+)"/gm;
  const TYPES = { js: "text/javascript", css: "text/css" };
  const COPY = "Copy the whole exported folder to the host again (normnex view RUN --export=DIR).";

  addEventListener("error", ({ target }) => {
    if (target.matches?.("script[type=module], link[rel=stylesheet]")) explain(target.src ?? target.href);
  }, true); // such events don't bubble

  async function explain(url) {
    const fault = location.protocol === "file:" ? fromDisk() : await firstFault(url);
    if (document.readyState === "loading") {
      await new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve));
    }
    show(fault ?? {
      title: "The viewer can't be loaded", message: "Expected all of its files, found a connection that was interrupted.",
      advice: "Reload the page.",
    });
  }

  function fromDisk() {
    return {
      title: "This page needs a web server",
      message: "Expected an address of a web server, found a file on this computer: browsers load no modules from it.",
      advice: "Serve the folder: normnex view RUN, or in this folder python -m http.server.",
    };
  }

  /** Looks through a file and the modules that it imports for the first one that a browser refuses. */
  async function firstFault(start) {
    const files = new Set([start]); // grows while it is gone through
    for (const url of files) {
      const [fault, text] = await check(url);
      if (fault) return fault;
      for (const [, path] of text.matchAll(IMPORTS)) files.add(new URL(path, url).href);
    }
    return null;
  }

  async function check(url) {
    const name = url.slice(new URL(".", document.baseURI).href.length);
    const type = TYPES[name.split(".").at(-1)];
    const fault = (found, advice) => [
      { title: `${name} can't be loaded`, message: `${name}: expected a file of the type ${type}, found ${found}.`, advice },
      "",
    ];
    let response, text;
    try {
      response = await fetch(url);
      text = await response.text();
    } catch {
      return fault("no answer from the server", "Reload the page.");
    }
    const found = (response.headers.get("content-type") ?? "none").split(";")[0];
    if (!response.ok) return fault(`${response.status} ${response.statusText}`.trim(), COPY);
    if (/^\s*</.test(text)) {
      return fault("a web page, with which the host answers for files that it doesn't have", COPY);
    }
    if (found !== type && !(type === TYPES.js && /\/(x-)?(java|ecma)script$/.test(found))) {
      return fault(`the type ${found}`, `Have the host send files that end in .${name.split(".").at(-1)} as ${type}.`);
    }
    return [null, text];
  }

  function show({ title, message, advice }) {
    const section = document.getElementById("problem");
    section.querySelector("h1").textContent = title;
    section.querySelector(".message").textContent = message;
    section.querySelector(".advice").textContent = advice;
    section.querySelector("button").onclick = () => location.reload();
    section.hidden = false;
    for (const id of ["frame", "panel", "static"]) document.getElementById(id)?.setAttribute("hidden", "");
  }
})();
