// The page "Work from a source": the grids take rows by keyboard and from a spreadsheet, and words that are selected in the text become the
// quote of a row. The script runs before admin.js restores what was entered, so that all rows exist by then.
(() => {
    const form = document.querySelector(".pt-work-grids");
    const status = form.querySelector("[data-status]"), useSelection = form.querySelector("[data-use-selection]");
    const mostRows = Number(form.dataset.rows);
    const say = (template, values = {}) => { status.textContent = template.replace(/\{(\w+)\}/g, (_all, name) => values[name]); };
    const tables = () => [...form.querySelectorAll("table[data-grid]")];
    const titleOf = (table) => document.getElementById(table.getAttribute("aria-labelledby")).textContent.trim();
    const cellOf = (row, column) => row.querySelector(`[data-column="${column}"]`);
    const isNumbered = (table) => table.dataset.grid !== "agreement";
    const changed = (field) => field.dispatchEvent(new Event("input", { bubbles: true }));

    // ---- rows

    function addRow(table) {
        const rows = table.tBodies[0].rows, last = rows[rows.length - 1], number = rows.length + 1;
        if (!isNumbered(table) || number > mostRows) return null;
        const row = last.cloneNode(true);
        row.dataset.row = number;
        row.querySelector("th").textContent = number;
        row.classList.remove("pt-current");
        for (const input of row.querySelectorAll("input")) {
            input.name = `${table.dataset.grid}-${number}-${input.dataset.column}`;
            input.id = `id_${input.name}`;
            input.setAttribute("aria-label", input.getAttribute("aria-label").replace(/\d+(?!.*\d)/, number));
            input.setAttribute("value", "");
            input.value = "";
            input.removeAttribute("aria-invalid");
            input.removeAttribute("aria-describedby");
            input.parentElement.querySelector("div")?.remove();
        }
        last.after(row);
        return row;
    }

    function rowAt(table, number) { // the row with this number from 1; rows before it are added
        const rows = table.tBodies[0].rows;
        while (rows.length < number) if (!addRow(table)) return null;
        return rows[number - 1];
    }

    const isEmpty = (row) => [...row.querySelectorAll("input")].every((input) => !input.value.trim());

    // The kept input of this form can have more rows than the page.
    if (!("bound" in form.dataset) && !("saved" in form.dataset)) {
        const kept = JSON.parse(localStorage.getItem(`input of ${form.dataset.keep}`) || "{}");
        for (const [name, value] of Object.entries(kept)) {
            const [grid, number] = name.split("-");
            const table = tables().find((each) => each.dataset.grid === grid);
            if (table && Array.isArray(value) && value[0]) rowAt(table, Number(number));
        }
    }

    form.addEventListener("click", (event) => {
        const button = event.target.closest("[data-add-row]");
        if (!button) return;
        event.preventDefault();
        addRow(tables().find((table) => table.dataset.grid === button.dataset.addRow))?.querySelector("input").focus();
    });

    // ---- keyboard

    form.addEventListener("keydown", (event) => {
        const input = event.target.closest("table[data-grid] input");
        if (!input || event.key !== "Enter" || event.ctrlKey || event.metaKey || event.isComposing) return;
        event.preventDefault();
        const row = input.closest("tr"), table = input.closest("table");
        const next = event.shiftKey ? row.previousElementSibling : row.nextElementSibling || addRow(table);
        if (next) cellOf(next, input.dataset.column).focus();
    });

    // ---- paste from a spreadsheet

    function cellsOf(text) { // tab-separated values; a cell in quotation marks can contain tabs and line breaks
        const rows = [[]];
        const cell = /(?:"((?:[^"]|"")*)"(?=[\t\n]|$)|([^\t\n]*))(\t|\n|$)/gy;
        text = text.replace(/\r\n?/g, "\n").replace(/\n$/, "");
        for (let match; cell.lastIndex <= text.length && (match = cell.exec(text));) {
            rows[rows.length - 1].push((match[1] === undefined ? match[2] : match[1].replaceAll('""', '"')).replace(/\s+/g, " ").trim());
            if (match[3] === "\n") rows.push([]);
            if (match[3] === "") break;
        }
        return rows;
    }

    form.addEventListener("paste", (event) => {
        const input = event.target.closest("table[data-grid] input");
        if (!input) return;
        const text = event.clipboardData.getData("text/plain"), html = event.clipboardData.getData("text/html");
        const isTable = text.includes("\t") || /<table/i.test(html) || (/\n./.test(text) && input.dataset.column !== "quote");
        if (!isTable) return;
        event.preventDefault();
        const table = input.closest("table"), row = input.closest("tr");
        const inputs = [...row.querySelectorAll("input")], start = inputs.indexOf(input), first = Number(row.dataset.row);
        const rows = cellsOf(text), columns = Math.max(...rows.map((cells) => cells.length));
        if (columns > inputs.length - start) return say(form.dataset.tooWide, { columns, left: inputs.length - start });
        if (first + rows.length - 1 > (isNumbered(table) ? mostRows : 1)) return say(form.dataset.tooLong, { rows: rows.length, most: isNumbered(table) ? mostRows : 1 });
        rows.forEach((cells, index) => {
            const target = [...rowAt(table, first + index).querySelectorAll("input")];
            cells.forEach((value, column) => { target[start + column].value = value; });
        });
        say("");
        changed(input);
    });

    // ---- the quote of a row, from the words that are selected in the text

    let current = null; // the row in which the user is
    form.addEventListener("focusin", (event) => {
        const row = event.target.closest("tr[data-row]");
        if (!row || !cellOf(row, "quote")) return;
        current?.classList.remove("pt-current");
        current = row;
        row.classList.add("pt-current");
    });

    function wholeWords(range) { // the selected text, with the rest of the words at both ends
        const { startContainer: first, endContainer: last } = range;
        const before = first.nodeType === Node.TEXT_NODE ? /[\p{L}\p{N}]*$/u.exec(first.data.slice(0, range.startOffset))[0] : "";
        const after = last.nodeType === Node.TEXT_NODE ? /^[\p{L}\p{N}]*/u.exec(last.data.slice(range.endOffset))[0] : "";
        const text = document.getSelection().toString();
        return `${/^[\p{L}\p{N}]/u.test(text) ? before : ""}${text}${/[\p{L}\p{N}]$/u.test(text) ? after : ""}`;
    }

    function selected() { // the words that are selected in the text, and their place
        const selection = document.getSelection();
        if (!selection.rangeCount || selection.isCollapsed) return null;
        const range = selection.getRangeAt(0), node = range.startContainer;
        const element = node.nodeType === Node.ELEMENT_NODE ? node.childNodes[range.startOffset] || node : node;
        const start = (element.nodeType === Node.ELEMENT_NODE ? element : element.parentElement).closest("#source-text [data-place]");
        const quote = wholeWords(range).replace(/-[^\S\n]*\n\s*/g, "-").replace(/\s+/g, " ").trim();
        return start && quote ? { quote, place: start.dataset.place } : null;
    }

    function take(row, { quote, place }) {
        const field = cellOf(row, "quote");
        field.value = field.dataset.taken = quote;
        cellOf(row, "locator").value = place;
        changed(field);
        field.scrollIntoView({ block: "nearest", inline: "nearest" });
        useSelection.hidden = true;
        const table = row.closest("table");
        say(form.dataset.quoted, { row: row.dataset.row, grid: titleOf(table), place });
    }

    function offer() {
        const words = selected();
        useSelection.hidden = true;
        if (!words) return;
        if (!current?.isConnected) return say(form.dataset.noRow);
        const field = cellOf(current, "quote");
        // A quote that was typed, or selected for good, is replaced only on request; a selection that goes on replaces itself.
        if (!field.value || (field.value === field.dataset.taken && words.quote !== field.value && isExtended(field.value, words.quote))) take(current, words);
        else if (field.value !== words.quote) {
            useSelection.hidden = false;
            say(form.dataset.replace, { row: current.dataset.row, grid: titleOf(current.closest("table")) });
        }
    }
    const isExtended = (before, after) => after.startsWith(before) || before.startsWith(after) || after.endsWith(before) || before.endsWith(after);

    let timer = 0, isDown = false;
    const later = () => {
        clearTimeout(timer);
        if (!isDown) timer = setTimeout(offer, 150);
    };
    document.addEventListener("selectionchange", later);
    document.addEventListener("pointerdown", () => { isDown = true; });
    for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => { isDown = false; later(); });
    useSelection.addEventListener("mousedown", (event) => event.preventDefault()); // keeps the selection
    useSelection.addEventListener("click", () => {
        const words = selected();
        if (words && current) take(current, words);
    });

    // The text takes a cursor, so that words can be selected by keyboard too; it cannot be changed.
    const panel = document.querySelector(".pt-work-text");
    function prepareText() {
        const text = document.getElementById("source-text");
        if (!text || text.isContentEditable) return;
        const attributes = { contenteditable: "true", role: "textbox", "aria-multiline": "true", "aria-readonly": "true", inputmode: "none", spellcheck: "false" };
        for (const [name, value] of Object.entries(attributes)) text.setAttribute(name, value);
        text.addEventListener("beforeinput", (event) => event.preventDefault());
    }
    prepareText();
    new MutationObserver(prepareText).observe(panel, { childList: true });

    // ---- suggestions

    const LONGEST_TITLE = 300;
    const shortened = (text) => (text.length <= LONGEST_TITLE ? text : `${text.slice(0, text.lastIndexOf(" ", LONGEST_TITLE))}…`);

    function sentencesOf(text) {
        if (!window.Intl?.Segmenter) return [text];
        return [...new Intl.Segmenter("en", { granularity: "sentence" }).segment(text)].map(({ segment }) => segment);
    }

    function accept(table, { quote, place }) {
        const rows = [...table.tBodies[0].rows];
        const row = rows.find(isEmpty) || addRow(table);
        if (!row) return say(form.dataset.tooLong, { rows: rows.length + 1, most: mostRows });
        cellOf(row, table.dataset.title).value = shortened(quote);
        take(row, { quote, place });
        cellOf(row, table.dataset.title).focus();
    }

    function button(label, act) {
        const made = Object.assign(document.createElement("button"), { type: "button", className: "pt-button pt-plain", textContent: label });
        made.addEventListener("click", act);
        return made;
    }

    function propose() {
        const wanted = new RegExp(form.dataset.proposes, "i");
        const list = Object.assign(document.createElement("ul"), { className: "pt-stack pt-proposals" });
        for (const paragraph of document.querySelectorAll("#source-text [data-place]")) {
            const [label, node] = [paragraph.firstElementChild, paragraph.lastChild];
            const parts = sentencesOf(node.textContent).map((sentence) => {
                if (!wanted.test(sentence)) return sentence;
                const mark = Object.assign(document.createElement("mark"), { textContent: sentence });
                const item = document.createElement("li"), words = { quote: sentence.replace(/\s+/g, " ").trim(), place: paragraph.dataset.place };
                const remove = () => { item.remove(); mark.replaceWith(mark.textContent); };
                const titled = tables().filter((table) => table.dataset.title && isNumbered(table));
                const buttons = Object.assign(document.createElement("p"), { className: "pt-row" });
                buttons.append(...titled.map((table) => button(form.dataset.accept.replace("{grid}", titleOf(table)), () => { accept(table, words); remove(); })));
                buttons.append(button(form.dataset.dismiss, remove));
                item.append(Object.assign(document.createElement("p"), { textContent: `${words.place}: ${words.quote}` }), buttons);
                item.setAttribute("aria-label", form.dataset.proposal.replace("{place}", words.place));
                list.append(item);
                return mark;
            });
            paragraph.replaceChildren(label, ...parts);
        }
        document.getElementById("source-text").after(list);
    }

    function withdraw() {
        panel.querySelector(".pt-proposals")?.remove();
        for (const mark of panel.querySelectorAll("mark")) mark.replaceWith(mark.textContent);
        for (const paragraph of panel.querySelectorAll("[data-place]")) paragraph.normalize();
    }

    document.querySelector("[data-proposals]")?.addEventListener("change", (event) => (event.target.checked ? propose() : withdraw()));

    // ---- saving: all cells as one field, because a request has a limited number of fields

    form.addEventListener("formdata", (event) => {
        const cells = {};
        for (const input of form.querySelectorAll("table[data-grid] input")) {
            event.formData.delete(input.name);
            if (input.value.trim()) cells[input.name] = input.value;
        }
        event.formData.set("cells", JSON.stringify(cells));
    });
})();
