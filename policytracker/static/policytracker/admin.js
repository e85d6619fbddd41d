// Move the focus to the first message or error summary, so that screen readers read it and it is visible.
// Runs after load, when nothing else scrolls or moves the focus.
window.addEventListener("load", () => requestAnimationFrame(() => {
    const message = document.querySelector("[data-message]");
    if (!message) return;
    message.focus({ preventScroll: true });
    message.scrollIntoView({ block: "center" });
}));

// In a narrow window the tabs scroll sideways: start with the current one, or with the one before it if both fit.
window.addEventListener("load", () => requestAnimationFrame(() => {
    const tab = document.querySelector(".pt-tabs [aria-current]");
    if (!tab) return;
    const [tabs, previous] = [tab.parentElement, tab.previousElementSibling];
    const left = (element) => element.getBoundingClientRect().left;
    const fits = previous && left(tab) + tab.offsetWidth - left(previous) <= tabs.clientWidth;
    tabs.scrollLeft += left(fits ? previous : tab) - left(tabs);
}));

// A link of an error summary moves the focus to its field, after the tab of the field has opened.
document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-field]");
    if (!link) return;
    event.preventDefault();
    requestAnimationFrame(() => {
        const field = document.getElementById(link.dataset.field);
        if (!field) return;
        field.closest("details")?.setAttribute("open", "");
        const search = field.matches(".select2-hidden-accessible") && field.parentElement.querySelector(".select2-selection");
        (search || field).focus({ preventScroll: true });
        (search || field).scrollIntoView({ block: "center" });
    });
});

// A form with data-keep keeps its input in this browser until the server has saved it: closing the tab or the end of the session loses
// nothing. The value of data-keep names the user and the record. Leaving the page warns too.
const SUBMITTED = "submitted input"; // the form that was submitted last in this tab
function keptInput(form) {
    const values = {};
    for (const field of form.elements) {
        if (!field.name || field.name === "csrfmiddlewaretoken" || field.type === "submit") continue;
        values[field.name] = field.type === "checkbox" ? field.checked : [field.value, field.selectedOptions?.[0]?.text];
    }
    return values;
}
function restoreInput(form, values) {
    for (const field of form.elements) {
        if (!(field.name in values)) continue;
        const value = values[field.name];
        if (field.type === "checkbox") field.checked = value;
        else {
            // A select that searches has only the options that were chosen.
            if (field.options && value[0] && ![...field.options].some((option) => option.value === value[0])) field.add(new Option(value[1], value[0]));
            field.value = value[0];
            if (value[0] && field.type !== "hidden") field.closest("details")?.setAttribute("open", "");
        }
    }
}
document.addEventListener("DOMContentLoaded", () => {
    for (const form of document.querySelectorAll("form[data-keep]")) {
        const key = `input of ${form.dataset.keep}`;
        let changed = false;
        if ("saved" in form.dataset) localStorage.removeItem(sessionStorage.getItem(SUBMITTED));
        const kept = "bound" in form.dataset ? null : localStorage.getItem(key);
        if (kept) {
            restoreInput(form, JSON.parse(kept));
            form.querySelector("[data-restored]").hidden = false;
        }
        form.querySelector("[data-discard]").addEventListener("click", () => {
            localStorage.removeItem(key);
            changed = false;
            location.reload();
        });
        const keep = () => {
            changed = true;
            localStorage.setItem(key, JSON.stringify(keptInput(form)));
        };
        form.addEventListener("input", keep);
        window.addEventListener("load", () => window.django?.jQuery?.(form).on("select2:select select2:clear", keep));
        form.addEventListener("submit", () => {
            changed = false;
            sessionStorage.setItem(SUBMITTED, key);
        });
        window.addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });
    }
});

// Refuse a file that is too large before it is sent, so that the rest of the form is kept.
document.addEventListener("change", (event) => {
    const input = event.target;
    if (!input.matches("input[data-limit]")) return;
    const message = input.files[0]?.size > Number(input.dataset.limit) ? input.dataset.tooLarge : "";
    const field = input.closest(".pt-field");
    field.querySelectorAll(".pt-errors").forEach((error) => error.remove());
    input.setCustomValidity(message);
    if (!message) return;
    const error = Object.assign(document.createElement("p"), { className: "pt-errors", textContent: message });
    error.setAttribute("role", "alert");
    field.append(error);
});
document.addEventListener("submit", (event) => {
    const input = [...event.target.querySelectorAll("input[data-limit]")].find((file) => file.validity.customError);
    if (!input) return;
    event.preventDefault();
    input.focus();
    input.scrollIntoView({ block: "center" });
});

// "/" opens the command palette like Ctrl-K, except where a person types. The theme moves the focus a moment after it has opened the
// palette, so the first letters that are typed would be lost: here the palette has the focus at once.
window.addEventListener("keydown", (event) => {
    const opens = event.ctrlKey || event.metaKey ? event.key === "k" : event.key === "/";
    const input = document.getElementById("search-input-command");
    if (!opens || event.altKey || !input || event.target.closest("input, textarea, select, [contenteditable]")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    window.dispatchEvent(new CustomEvent("opencommand"));
    input.closest("[x-show]").style.removeProperty("display");
    input.focus();
}, { capture: true });

// Enter in the command palette opens the first result of what is typed, also before the list of results has arrived.
document.addEventListener("keydown", async (event) => {
    const input = event.target;
    if (event.key !== "Enter" || input.id !== "search-input-command") return;
    const typed = input.value.trim();
    const shown = document.getElementById("command-results-list");
    if (shown?.dataset.text === typed && shown.querySelector(".active")) return; // the theme opens the result that the arrow keys selected
    event.preventDefault();
    event.stopPropagation();
    let results = shown?.dataset.text === typed ? shown : null;
    if (typed && !results) {
        const url = new URL(input.getAttribute("hx-get"), location.href);
        url.searchParams.set("s", typed);
        const response = await fetch(url, { credentials: "same-origin" });
        results = new DOMParser().parseFromString(await response.text(), "text/html");
    }
    const first = results?.querySelector("li a");
    if (first && input.value.trim() === typed) location.assign(first.getAttribute("href"));
}, { capture: true });

// Ctrl-Enter submits the form that has the focus.
document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const form = event.target.closest("form");
    const button = form && [...form.elements].find((element) => element.matches("[data-submit], [name=_save]"));
    if (!button) return;
    event.preventDefault();
    form.requestSubmit(button);
});

// Fields that search (select2). Typing opens one. The search field gets the focus at once: select2 moves it a moment later, and the letters
// typed until then would be lost. Enter waits for the hits of what is typed: the list still shows those of the letters before.
document.addEventListener("keydown", (event) => {
    const box = event.target.closest(".select2-selection--single");
    if (!box || event.key.length !== 1 || event.key === " " || event.ctrlKey || event.metaKey || event.altKey) return;
    window.django.jQuery(box.closest(".select2").previousElementSibling).select2("open");
});
document.addEventListener("DOMContentLoaded", () => {
    let opened = null, choosing = false;
    const waiting = new WeakSet();
    window.django?.jQuery?.(document).on("select2:open", (event) => {
        document.querySelector(".select2-dropdown .select2-search__field")?.focus();
        opened = window.django.jQuery(event.target).data("select2");
        choosing = false;
        if (waiting.has(opened)) return;
        waiting.add(opened);
        const instance = opened;
        instance.on("results:all", () => {
            if (choosing && opened === instance) instance.trigger("results:select", {});
            choosing = false;
        });
    });
    document.addEventListener("keydown", (event) => {
        if (!event.target.closest(".select2-search__field")) return;
        choosing = event.key === "Enter" && Boolean(opened?.results.$results[0].querySelector(".loading-results"));
        if (!choosing) return;
        event.preventDefault();
        event.stopPropagation();
    }, { capture: true });
});

document.addEventListener("click", (event) => { if (event.target.closest("[data-print]")) window.print(); });

// Copy the text of an address, such as a memo. Browsers offer this on safe connections only.
document.addEventListener("DOMContentLoaded", () => {
    for (const button of document.querySelectorAll("[data-copy]")) {
        button.hidden = !navigator.clipboard;
        button.addEventListener("click", async () => {
            const response = await fetch(button.dataset.copy, { credentials: "same-origin" });
            if (!response.ok) return;
            await navigator.clipboard.writeText(await response.text());
            button.textContent = button.dataset.copied;
        });
    }
});

// Give the search fields of select2 the name of the field that they search for. In a list of chosen values, remove the button that
// clears it: it is not an item of the list, and each value has a button of its own.
function nameSearchFields(root) {
    for (const select of root.querySelectorAll("select.select2-hidden-accessible")) {
        const name = select.getAttribute("aria-label") || select.labels[0]?.textContent.trim();
        const container = select.nextElementSibling;
        const combobox = container?.querySelector("[role=combobox]");
        if (!name || !combobox) continue;
        combobox.removeAttribute("aria-labelledby");
        combobox.setAttribute("aria-label", name);
        container.querySelector("ul > .select2-selection__clear")?.remove();
        for (const field of container.querySelectorAll(".select2-search__field, [role=textbox]")) field.setAttribute("aria-label", name);
    }
}
window.addEventListener("load", () => {
    const django = window.django?.jQuery;
    django?.(() => nameSearchFields(document)); // after select2, which may start later than "load"
    document.addEventListener("formset:added", (event) => setTimeout(() => nameSearchFields(event.target)));
    django?.(document).on("select2:select select2:unselect", () => setTimeout(() => nameSearchFields(document)));
    django?.(document).on("select2:open", (event) => {
        const name = event.target.getAttribute("aria-label") || event.target.labels[0]?.textContent.trim();
        for (const part of document.querySelectorAll(".select2-dropdown .select2-search__field, .select2-dropdown [role=listbox]")) part.setAttribute("aria-label", name);
    });
});

// Of the fields that data-groups names, one is chosen: choosing another clears it. The select offers the options of the group that belongs to it.
document.addEventListener("DOMContentLoaded", () => {
    const select = document.querySelector("select[data-groups]");
    if (!select) return;
    const groups = JSON.parse(select.dataset.groups), $ = window.django.jQuery;
    const fields = Object.keys(groups).map((name) => select.form.elements[name]);
    const offer = () => {
        const chosen = fields.filter((field) => field.value).map((field) => groups[field.name]);
        for (const group of select.querySelectorAll("optgroup")) {
            group.hidden = group.disabled = chosen.length > 0 && !chosen.includes(group.label);
        }
        const option = select.selectedOptions[0];
        if (!option?.parentElement.disabled) return;
        const same = [...select.querySelectorAll("optgroup:not([disabled]) option")].find(({ value }) => value === option.value);
        select.selectedIndex = same ? same.index : 0;
    };
    for (const field of fields) {
        $(field).on("change", () => {
            if (field.value) fields.filter((other) => other !== field && other.value).forEach((other) => $(other).val(null).trigger("change"));
            offer();
        });
    }
    offer();
});

// Parts and numbers that take long are loaded after the page. Each part replaces the one with the same id. They are loaded one after another:
// the site serves few such requests of a user at once, and the page that the user opens next may be one.
document.addEventListener("DOMContentLoaded", async () => {
    for (const part of document.querySelectorAll("[data-load]")) {
        try {
            const response = await fetch(part.dataset.load, { credentials: "same-origin" });
            const loaded = new DOMParser().parseFromString(await response.text(), "text/html").getElementById(part.id);
            if (loaded) part.replaceWith(loaded);
        } catch {
            continue; // the link in the part leads to the page
        }
    }
    for (const number of document.querySelectorAll("[data-count]")) {
        try {
            const response = await fetch(number.dataset.count, { credentials: "same-origin" });
            const { count, more } = await response.json();
            number.textContent = more ? number.dataset.atLeast.replace("{number}", count) : count;
            number.parentElement.classList.toggle("pt-some", count > 0);
        } catch {
            number.textContent = "?";
        }
    }
});

// The theme has no main landmark.
document.addEventListener("DOMContentLoaded", () => document.getElementById("main")?.setAttribute("role", "main"));

// Source marks: show the page to which a mark leads in a box beside it. Escape and a click elsewhere close the box, and the browser
// returns the focus to the mark. Without this script, and with a modifier key, a mark is a link.
document.addEventListener("click", async (event) => {
    const mark = event.target.closest("a.pt-source");
    if (!mark || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    let box = document.getElementById("source-box");
    if (!box) {
        box = Object.assign(document.createElement("div"), { id: "source-box", className: "pt", popover: "auto", tabIndex: -1 });
        box.setAttribute("role", "dialog");
        document.body.append(box);
    }
    try {
        const response = await fetch(mark.href, { credentials: "same-origin" });
        const page = new DOMParser().parseFromString(await response.text(), "text/html");
        const sources = page.getElementById("source-marks");
        if (!response.ok || !sources) throw new Error(response.status);
        box.ariaLabel = sources.ariaLabel;
        box.replaceChildren(...sources.childNodes);
    } catch {
        location.assign(mark.href);
        return;
    }
    mark.focus({ preventScroll: true }); // it is where the focus returns to
    box.showPopover();
    const { left, bottom, top } = mark.getBoundingClientRect();
    const below = bottom + 8 + box.offsetHeight <= innerHeight || top < innerHeight / 2;
    box.style.left = `${Math.max(8, Math.min(left, innerWidth - box.offsetWidth - 8))}px`;
    box.style.top = below ? `${bottom + 8}px` : "auto";
    box.style.bottom = below ? "auto" : `${innerHeight - top + 8}px`;
    box.style.maxHeight = `${(below ? innerHeight - bottom : top) - 16}px`;
    box.focus({ preventScroll: true });
});

// A link with data-dialog shows the main part of its page as a dialog. Without scripts it leads to the page.
document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-dialog]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const response = await fetch(link.href, { credentials: "same-origin" }).catch(() => null);
    const content = response?.ok && new DOMParser().parseFromString(await response.text(), "text/html").getElementById("dialog-content");
    if (!content) return location.assign(link.href);
    const dialog = Object.assign(document.createElement("dialog"), { className: "pt-dialog" });
    dialog.setAttribute("aria-labelledby", "dialog-title");
    dialog.append(content);
    dialog.addEventListener("close", () => { dialog.remove(); link.focus(); });
    document.body.append(dialog);
    dialog.showModal();
    dialog.querySelector("input:not([type=hidden])")?.focus();
});
document.addEventListener("click", (event) => {
    const dialog = event.target.closest("dialog.pt-dialog");
    if (!dialog || !(event.target === dialog || event.target.closest("[data-close]"))) return;
    event.preventDefault();
    dialog.close();
});

// A field with data-find shows only those parts of its form that contain what is typed, and within them the matching values.
document.addEventListener("input", (event) => {
    const field = event.target;
    if (!field.matches("[data-find]")) return;
    const typed = field.value.trim().toLowerCase();
    for (const part of field.form.querySelectorAll(field.dataset.find)) {
        const inTitle = part.querySelector("legend").textContent.toLowerCase().includes(typed);
        const values = [...part.querySelectorAll("li")];
        for (const value of values) value.hidden = !inTitle && !value.textContent.toLowerCase().includes(typed);
        part.hidden = !inTitle && values.every((value) => value.hidden);
    }
});
document.addEventListener("keydown", (event) => { if (event.key === "Enter" && event.target.matches("[data-find]")) event.preventDefault(); });

// The menu of the account closes when a person clicks elsewhere or presses Escape, which returns the focus. Escape also hides the meaning of
// a word, until it is hovered or focused again.
document.addEventListener("click", (event) => {
    for (const drop of document.querySelectorAll(".pt-drop[open]")) if (!drop.contains(event.target)) drop.open = false;
});
document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const drop of document.querySelectorAll(".pt-drop[open]")) {
        drop.open = false;
        drop.querySelector("summary").focus();
    }
    document.querySelector(".pt-term:is(:hover, :focus-within)")?.classList.add("pt-dismissed");
});
for (const left of ["mouseout", "focusout"]) {
    document.addEventListener(left, (event) => event.target.closest?.(".pt-term")?.classList.remove("pt-dismissed"));
}
