// What pages gain where scripts run. Each part finds its elements by a data attribute; without
// scripts the same elements are plain links and forms.
"use strict";

(() => {
  // Our own answers only: everything that becomes HTML here came from this origin.
  const policy = window.trustedTypes?.createPolicy("vestibule", { createHTML: (text) => text });
  const parse = (text) =>
    new DOMParser().parseFromString(policy ? policy.createHTML(text) : text, "text/html");
  const say = (text) => {
    const live = document.getElementById("live");
    if (live) live.textContent = text;
  };

  // data-copy="id": copies the text of the element with this id.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    const text = source.value ?? source.textContent;
    try {
      await navigator.clipboard.writeText(text.trim());
    } catch {
      const range = document.createRange();
      range.selectNodeContents(source);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      say("Selected. Copy it with the keyboard.");
      return;
    }
    const label = button.querySelector("span") ?? button;
    const before = label.textContent;
    label.textContent = "Copied";
    button.classList.add("done");
    say("Copied");
    setTimeout(() => {
      label.textContent = before;
      button.classList.remove("done");
    }, 1600);
  });

  // The navigation of the dashboard on a phone.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-menu]");
    if (!button) return;
    const open = document.querySelector(".side").classList.toggle("open");
    button.setAttribute("aria-expanded", String(open));
  });

  // <time data-relative>: "3 minutes ago"; the exact moment stays as its title.
  const units = [["year", 31536e6], ["month", 2592e6], ["day", 864e5], ["hour", 36e5], ["minute", 6e4]];
  const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const relate = (root) => {
    for (const time of root.querySelectorAll("time[data-relative]")) {
      const moment = new Date(time.dateTime);
      const away = moment - Date.now();
      const unit = units.find(([, ms]) => Math.abs(away) >= ms);
      if (!time.title) time.title = moment.toLocaleString();
      time.textContent = unit ? format.format(Math.round(away / unit[1]), unit[0]) : "just now";
    }
  };

  // Puts the main part of another page in the place of this one's.
  const show = (page, url) => {
    document.title = page.title;
    document.querySelector("main").replaceWith(document.adoptNode(page.querySelector("main")));
    if (url) history.replaceState(null, "", url);
    enhance(document);
    const first = document.querySelector("main [aria-invalid=true], main .notice, main [role=status]");
    if (first) {
      if (!first.hasAttribute("aria-invalid")) first.tabIndex = -1;
      first.focus();
    } else {
      scrollTo(0, 0);
    }
  };

  // Forms are sent in the background, so that a lost connection costs nothing that was typed.
  // data-plain: the answer leads to another site.
  const send = async (form, submitter) => {
    const fields = new FormData(form, submitter);
    const multipart = form.enctype === "multipart/form-data";
    // By attribute: `submitter.formAction` is never empty, and a field may be called "action".
    const action = submitter?.getAttribute("formaction") ?? form.getAttribute("action") ?? "";
    const answer = await fetch(new URL(action, location), {
      method: "POST",
      body: multipart ? fields : new URLSearchParams(fields),
      credentials: "same-origin",
      headers: { accept: "text/html" },
    });
    if (answer.redirected) {
      location.assign(answer.url);
      return;
    }
    show(parse(await answer.text()));
  };
  const lost = (form) => {
    form.querySelector(".lost")?.remove();
    const notice = document.createElement("div");
    const text = document.createElement("p");
    notice.className = "lost notice bad";
    notice.setAttribute("role", "alert");
    text.textContent =
      "The connection was lost before the answer came. What you typed is still here: try again.";
    notice.append(text);
    form.prepend(notice);
  };
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (form.getAttribute("method") !== "post" || form.hasAttribute("data-plain") || event.defaultPrevented) return;
    event.preventDefault();
    if (form.hasAttribute("aria-busy")) return;
    const submitter = event.submitter;
    form.setAttribute("aria-busy", "true");
    submitter?.setAttribute("aria-busy", "true");
    try {
      await send(form, submitter);
    } catch {
      lost(form);
    } finally {
      form.removeAttribute("aria-busy");
      submitter?.removeAttribute("aria-busy");
    }
  });

  // data-dialog: the page that the link leads to is asked in a dialog.
  document.addEventListener("click", async (event) => {
    const close = event.target.closest("dialog [data-close]");
    if (close) {
      event.preventDefault();
      close.closest("dialog").close();
      return;
    }
    const link = event.target.closest("a[data-dialog]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    try {
      const answer = await fetch(link.href, { credentials: "same-origin" });
      const part = parse(await answer.text()).querySelector("main [data-dialog-part]");
      if (!answer.ok || answer.redirected || !part) throw new Error("no dialog");
      const dialog = document.createElement("dialog");
      dialog.append(document.adoptNode(part));
      dialog.setAttribute("aria-labelledby", dialog.querySelector("h1, h2")?.id ?? "");
      dialog.addEventListener("close", () => dialog.remove());
      document.querySelector("main").append(dialog);
      dialog.showModal();
    } catch {
      location.assign(link.href);
    }
  });

  // data-sortable: rows are dragged into another order, and their form is sent.
  let dragged = null;
  document.addEventListener("dragstart", (event) => {
    dragged = event.target.closest?.("[data-sortable] > tr") ?? null;
    if (dragged) event.dataTransfer.effectAllowed = "move";
  });
  document.addEventListener("dragover", (event) => {
    const row = event.target.closest?.("[data-sortable] > tr");
    if (!dragged || !row || row.parentNode !== dragged.parentNode) return;
    event.preventDefault();
    const { top, height } = row.getBoundingClientRect();
    row.parentNode.insertBefore(dragged, event.clientY < top + height / 2 ? row : row.nextSibling);
  });
  document.addEventListener("drop", (event) => {
    if (!dragged) return;
    event.preventDefault();
    dragged.closest("form").requestSubmit();
    dragged = null;
  });

  // data-live="5" with an id: that part of the page is fetched anew every so many seconds.
  const refresh = async (part) => {
    const isInUse = () => part.contains(document.activeElement);
    if (document.hidden || isInUse()) return;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin" });
      const next = answer.ok && !answer.redirected && parse(await answer.text()).getElementById(part.id);
      if (!next || isInUse()) return;
      part.replaceChildren(...document.adoptNode(next).childNodes);
      enhance(part);
    } catch {
      // The next round may do better.
    }
  };

  // data-submits: a select that sends its form as soon as it changes.
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  });

  // data-tick="all" or "none": ticks or clears the boxes of its fieldset.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-tick]");
    if (!button) return;
    for (const box of button.closest("fieldset").querySelectorAll("input[type=checkbox]")) {
      box.checked = button.dataset.tick === "all";
    }
  });

  const watched = new WeakSet();
  const enhance = (root) => {
    relate(root);
    for (const part of root.querySelectorAll("[data-live]")) {
      if (watched.has(part)) continue;
      watched.add(part);
      const timer = setInterval(() => {
        if (part.isConnected) refresh(part);
        else clearInterval(timer);
      }, Number(part.dataset.live) * 1000);
    }
    for (const only of root.querySelectorAll("[data-script-only]")) only.hidden = false;
    for (const row of root.querySelectorAll("[data-sortable] > tr")) row.draggable = true;
  };

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelector(".side")?.classList.remove("noscript-open");
    enhance(document);
  });
})();
