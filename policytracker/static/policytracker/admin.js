// Move the focus to the message of the page, or else to its error summary, so that it is read out and in view.
// After everything else that scrolls or moves the focus while the page loads.
window.addEventListener("load", () => requestAnimationFrame(() => {
    const message = document.querySelector("[data-message]");
    if (!message) return;
    message.focus({ preventScroll: true });
    message.scrollIntoView({ block: "center" });
}));

// A link of an error summary moves the focus to its field, once the tab of the field is open.
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

// Ask before a page is left on which an update was typed and not submitted.
document.addEventListener("DOMContentLoaded", () => {
    for (const form of document.querySelectorAll("form[data-keep]")) {
        let typed = false;
        form.addEventListener("input", () => { typed = true; });
        form.addEventListener("submit", () => { typed = false; });
        window.addEventListener("beforeunload", (event) => { if (typed) event.preventDefault(); });
    }
});

// Show another day, or another page, of one part of a page, and leave alone what was typed elsewhere on it.
document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form[data-part]")) return;
    event.preventDefault();
    const address = new URL(form.action);
    address.search = new URLSearchParams(new FormData(form));
    try {
        const answer = await fetch(address, { credentials: "same-origin" });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.getElementById(form.dataset.part);
        if (!answer.ok || !fresh) throw new Error(answer.status);
        document.getElementById(form.dataset.part).replaceWith(fresh);
        history.replaceState(null, "", address.search + location.hash);
        fresh.focus();
    } catch {
        form.submit();
    }
});
