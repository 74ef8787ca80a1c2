(function (form) {
  "use strict";
  var script = document.currentScript;
  if (!script || !script.parentNode) return;
  var action = new URL(form.path, script.src).href;
  var asked = Date.now();
  var place = document.createElement("div");
  script.parentNode.insertBefore(place, script.nextSibling);
  var root = place.attachShadow({mode: "open"});
  var box = make("div", {class: "form"});
  try {
    var sheet = new CSSStyleSheet();
    sheet.replaceSync(form.style);
    root.adoptedStyleSheets = [sheet];
  } catch (_) {
    root.appendChild(make("style", {}, form.style));
  }
  root.appendChild(box);

  function make(name, attributes, text) {
    var made = document.createElement(name);
    for (var key in attributes) {
      if (attributes[key] === true) made.setAttribute(key, "");
      else if (attributes[key] || attributes[key] === 0) made.setAttribute(key, attributes[key]);
    }
    if (text) made.textContent = text;
    return made;
  }

  function caption(parent, one) {
    parent.appendChild(document.createTextNode(one.label));
    if (!one.required) {
      parent.appendChild(document.createTextNode(" "));
      parent.appendChild(make("span", {class: "optional"}, "(optional)"));
    }
    return parent;
  }

  function choice(type, one, value, text, required, checked) {
    var label = make("label", {class: "choice"});
    var input = label.appendChild(make("input", {type: type, name: one.name, value: value, required: required}));
    input.checked = checked;
    if (text) label.appendChild(make("span", {}, text));
    else label.appendChild(caption(make("span"), one));
    return label;
  }

  function single(one) {
    var common = {id: one.name, name: one.name, required: one.required, placeholder: one.placeholder};
    if (one.type === "textarea") {
      var area = make("textarea", Object.assign(common, {rows: 5, maxlength: one.maxLength}));
      area.value = one.value || "";
      return area;
    }
    if (one.type === "select") {
      var select = make("select", common);
      select.appendChild(make("option", {}, "Please choose")).value = "";
      one.options.forEach(function (option) { select.appendChild(make("option", {value: option}, option)); });
      select.value = one.options.indexOf(one.value) >= 0 ? one.value : "";
      return select;
    }
    var input = make("input", Object.assign(common, {
      type: one.type, maxlength: one.maxLength, autocomplete: one.complete, inputmode: one.mode
    }));
    if (one.type !== "file") input.value = one.value || "";
    return input;
  }

  function field(one) {
    if (one.type === "hidden") return make("input", {type: "hidden", name: one.name, value: one.value});
    var several = one.type === "radio" || one.type === "checkboxes";
    var made = make(several ? "fieldset" : "div", {class: "field"});
    made.field = one.name;
    if (several) {
      made.appendChild(caption(make("legend"), one));
      var radio = one.type === "radio";
      var chosen = radio ? [one.value] : (one.value || "").split(",");
      one.options.forEach(function (option) {
        var checked = chosen.indexOf(option) >= 0;
        made.appendChild(choice(radio ? "radio" : "checkbox", one, option, option, radio && one.required, checked));
      });
    } else if (one.type === "checkbox") {
      made.appendChild(choice("checkbox", one, "1", "", one.required, one.value === "1"));
    } else {
      made.appendChild(caption(make("label", {"for": one.name}), one));
      made.appendChild(single(one));
    }
    return made;
  }

  var page = make("form", {method: "post", action: action});
  if (form.inputs.some(function (one) { return one.type === "file"; })) page.enctype = "multipart/form-data";
  form.inputs.forEach(function (one) { page.appendChild(field(one)); });
  var more = page.appendChild(make("p", {class: "more", "aria-hidden": "true"}));
  more.appendChild(make("input", {name: form.trap, tabindex: "-1", autocomplete: "off", "aria-label": "Leave this empty"}));
  var button = page.appendChild(make("button", {}, "Send"));
  box.appendChild(page);

  function tell(message, errors) {
    box.querySelectorAll(".wrong, .told").forEach(function (old) { old.remove(); });
    box.querySelectorAll("[aria-invalid]").forEach(function (old) {
      old.removeAttribute("aria-invalid");
      old.removeAttribute("aria-describedby");
    });
    var told = make("p", {class: "told", role: "alert", tabindex: "-1"}, message);
    page.insertBefore(told, page.firstChild);
    var first = null;
    page.querySelectorAll(".field").forEach(function (place) {
      var wrong = errors && errors[place.field];
      if (!wrong) return;
      var id = place.field + "-wrong";
      place.appendChild(make("p", {class: "wrong", id: id}, wrong));
      var input = place.querySelector("input, textarea, select");
      input.setAttribute("aria-invalid", "true");
      input.setAttribute("aria-describedby", id);
      first = first || input;
    });
    (first || told).focus();
  }

  function visitor() {
    var found = document.cookie.match(/(?:^|;\s*)__ss_tk=([^;]*)/);
    if (!found) return "";
    try {
      return decodeURIComponent(found[1]);
    } catch (_) {
      return found[1];
    }
  }

  function sent() {
    var values = new FormData(page);
    values.set(form.tokenName, form.token);
    values.set("_page", location.href.slice(0, 2000));
    if (visitor()) values.set("trackingid__sb", visitor());
    return page.enctype === "multipart/form-data" ? values : new URLSearchParams(values);
  }

  function answered(answer) {
    if (!answer.ok) {
      form.token = answer.token || form.token;
      button.disabled = false;
      return tell(answer.message, answer.errors);
    }
    if (answer.redirect) return location.assign(answer.redirect);
    var thanks = make("p", {class: "thanks", role: "status", tabindex: "-1"}, answer.message);
    box.replaceChild(thanks, page);
    thanks.focus();
  }

  page.addEventListener("submit", function (event) {
    event.preventDefault();
    button.disabled = true;
    // A faster visitor lets the browser fill in the fields; the server would take the visitor for a bot.
    setTimeout(function () {
      fetch(action, {method: "POST", body: sent(), headers: {Accept: "application/json"}, credentials: "omit"})
        .then(function (answer) { return answer.json(); })
        .then(answered)
        .catch(function () {
          button.disabled = false;
          tell("That did not go through. Please try again in a moment.");
        });
    }, Math.max(0, form.wait - (Date.now() - asked)));
  });
})
