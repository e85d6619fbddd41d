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

// Reload one part of the page, such as the standing on another date, and keep the input in the rest of it.
document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form[data-part]")) return;
    event.preventDefault();
    const url = new URL(form.action);
    url.search = new URLSearchParams(new FormData(form));
    try {
        const response = await fetch(url, { credentials: "same-origin" });
        const page = new DOMParser().parseFromString(await response.text(), "text/html");
        const part = page.getElementById(form.dataset.part);
        if (!response.ok || !part) throw new Error(response.status);
        document.getElementById(form.dataset.part).replaceWith(part);
        history.replaceState(null, "", url.search + location.hash);
        part.focus();
    } catch {
        form.submit();
    }
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

// Parts that take long are loaded after the page: each replaces the part with the same id.
document.addEventListener("DOMContentLoaded", () => {
    for (const part of document.querySelectorAll("[data-load]")) {
        fetch(part.dataset.load, { credentials: "same-origin" })
            .then((response) => response.text())
            .then((text) => {
                const loaded = new DOMParser().parseFromString(text, "text/html").getElementById(part.id);
                if (loaded) part.replaceWith(loaded);
            })
            .catch(() => {}); // the link in the part leads to the page
    }
});

// Numbers that take long to count are loaded after the page.
document.addEventListener("DOMContentLoaded", () => {
    for (const number of document.querySelectorAll("[data-count]")) {
        fetch(number.dataset.count, { credentials: "same-origin" })
            .then((response) => response.json())
            .then(({ count, more }) => {
                number.textContent = more ? number.dataset.atLeast.replace("{number}", count) : count;
                number.parentElement.classList.toggle("pt-some", count > 0);
            })
            .catch(() => { number.textContent = "?"; });
    }
});

// The theme has no main landmark.
document.addEventListener("DOMContentLoaded", () => document.getElementById("main")?.setAttribute("role", "main"));

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
