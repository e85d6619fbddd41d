// Ask before a page is left on which an update was typed and not filed, as by saving the record below it.
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
