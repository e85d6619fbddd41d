// Move the focus to the first message or error summary, so that screen readers read it and it is visible.
// Runs after load, when nothing else scrolls or moves the focus.
window.addEventListener("load", () => requestAnimationFrame(() => {
    const message = document.querySelector("[data-message]");
    if (!message) return;
    message.focus({ preventScroll: true });
    message.scrollIntoView({ block: "center" });
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

// Warn before leaving a page with an update that was not submitted.
document.addEventListener("DOMContentLoaded", () => {
    for (const form of document.querySelectorAll("form[data-keep]")) {
        let changed = false;
        form.addEventListener("input", () => { changed = true; });
        form.addEventListener("submit", () => { changed = false; });
        window.addEventListener("beforeunload", (event) => { if (changed) event.preventDefault(); });
    }
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

// "/" opens the command palette like Ctrl-K, except where a person types.
window.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    event.preventDefault();
    window.dispatchEvent(new CustomEvent("opencommand"));
});
