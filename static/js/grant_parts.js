// The admin's field for parts of a source: it offers what the source that is chosen above has. Select2 is the admin's own.
"use strict";
{
  const $ = django.jQuery;
  $(() => {
    const parts = $("select[data-parts]");
    if (!parts.length) return;
    const source = $("select[name=source]");
    const sees = (value) => $(`input[name=sees][value=${value}]`).prop("checked", true);
    parts.select2("destroy").select2({
      ajax: {
        data: ({ term, page }) => ({ term, page, source: parts[0].dataset.source ?? source.val() }),
      },
    });
    // Where one types has no name by itself.
    const label = $(`label[for=${parts[0].id}]`).text().trim();
    parts.next(".select2").find("[role=combobox], [role=searchbox]").attr("aria-label", label);
    parts.on("select2:select", () => sees("part"));
    const empty = () => parts.empty().trigger("change");
    source.on("change", empty);
    $("input[name=sees][value=all]").on("change", empty);
  });
}
