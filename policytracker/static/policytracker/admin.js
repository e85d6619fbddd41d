// Ask before a page is left on which an update was typed and not filed, as by saving the record below it.
document.addEventListener("DOMContentLoaded", () => {
    for (const form of document.querySelectorAll("form[data-keep]")) {
        let typed = false;
        form.addEventListener("input", () => { typed = true; });
        form.addEventListener("submit", () => { typed = false; });
        window.addEventListener("beforeunload", (event) => { if (typed) event.preventDefault(); });
    }
});
