// Comfort only: everything works without it.
const announcement = document.getElementById("announcement");

for (const button of document.querySelectorAll("[data-copy]")) {
  const label = button.firstElementChild;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      label.textContent = "Copied";
      announcement.textContent = "Copied";
    } catch {
      label.textContent = "Not copied";
      announcement.textContent = "The browser does not allow copying. Select the text and copy it.";
    }
    setTimeout(() => { label.textContent = "Copy"; announcement.textContent = ""; }, 2000);
  });
}

// Rows of addresses.
function number(list) {
  const rows = list.querySelectorAll(".rows li");
  rows.forEach((row, index) => {
    const input = row.querySelector("input");
    const button = row.querySelector("button");
    const label = input.getAttribute("aria-label").replace(/\d+$/, index + 1);
    input.setAttribute("aria-label", label);
    button.setAttribute("aria-label", `Remove ${label}`);
    button.value = `${list.id}:${index}`;
  });
}

for (const list of document.querySelectorAll(".uris")) {
  list.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const rows = list.querySelector(".rows");
    event.preventDefault();
    if (button.name === "add") {
      const row = rows.lastElementChild.cloneNode(true);
      row.querySelector("input").value = "";
      row.querySelector("input").removeAttribute("aria-invalid");
      rows.append(row);
      number(list);
      row.querySelector("input").focus();
    } else if (rows.children.length > 1) {
      button.closest("li").remove();
      number(list);
      list.querySelector("button[name=add]").focus();
    } else {
      rows.querySelector("input").value = "";
      rows.querySelector("input").focus();
    }
  });
}

// Menus close like menus.
for (const menu of document.querySelectorAll(".menu")) {
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.open) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
}
