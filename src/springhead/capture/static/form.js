/* Shows a form in a page of another site, in a shadow DOM, and submits it. The server appends the call of this
   function, with the form as its argument (capture/pages.py). */
(function (form) {
  "use strict";
  var script = document.currentScript;
  if (!script || !script.parentNode) return;
  var action = new URL(form.path, script.src).href;
  var loadedAt = Date.now();
  var container = document.createElement("div");
  script.parentNode.insertBefore(container, script.nextSibling);
  var shadow = container.attachShadow({mode: "open"});
  var panel = make("div", {class: "form", lang: form.language});
  try {
    var sheet = new CSSStyleSheet();
    sheet.replaceSync(form.style);
    shadow.adoptedStyleSheets = [sheet];
  } catch (_) {
    shadow.appendChild(make("style", {}, form.style));
  }
  shadow.appendChild(panel);

  function make(name, attributes, text) {
    var element = document.createElement(name);
    for (var key in attributes) {
      if (attributes[key] === true) element.setAttribute(key, "");
      else if (attributes[key] || attributes[key] === 0) element.setAttribute(key, attributes[key]);
    }
    if (text) element.textContent = text;
    return element;
  }

  function appendCaption(parent, field) {
    parent.appendChild(document.createTextNode(field.label));
    if (!field.required) {
      parent.appendChild(document.createTextNode(" "));
      parent.appendChild(make("span", {class: "optional"}, form.texts.optional));
    }
    return parent;
  }

  function choiceElement(type, field, value, text, required, checked) {
    var label = make("label", {class: "choice"});
    var input = label.appendChild(make("input", {type: type, name: field.name, value: value, required: required}));
    input.checked = checked;
    if (text) label.appendChild(make("span", {}, text));
    else label.appendChild(appendCaption(make("span"), field));
    return label;
  }

  function inputElement(field) {
    var common = {id: field.name, name: field.name, required: field.required, placeholder: field.placeholder};
    if (field.type === "textarea") {
      var area = make("textarea", Object.assign(common, {rows: 5, maxlength: field.maxLength}));
      area.value = field.value || "";
      return area;
    }
    if (field.type === "select") {
      var select = make("select", common);
      select.appendChild(make("option", {}, form.texts.choose)).value = "";
      field.options.forEach(function (option) { select.appendChild(make("option", {value: option}, option)); });
      select.value = field.options.indexOf(field.value) >= 0 ? field.value : "";
      return select;
    }
    var input = make("input", Object.assign(common, {
      type: field.type, maxlength: field.maxLength, autocomplete: field.complete, inputmode: field.mode
    }));
    if (field.type !== "file") input.value = field.value || "";
    return input;
  }

  function fieldElement(field) {
    if (field.type === "hidden") return make("input", {type: "hidden", name: field.name, value: field.value});
    var isGroup = field.type === "radio" || field.type === "checkboxes";
    var element = make(isGroup ? "fieldset" : "div", {class: "field"});
    element.fieldName = field.name;
    if (isGroup) {
      element.appendChild(appendCaption(make("legend"), field));
      var isRadio = field.type === "radio";
      var chosen = isRadio ? [field.value] : (field.value || "").split(",");
      field.options.forEach(function (option) {
        var checked = chosen.indexOf(option) >= 0;
        var required = isRadio && field.required;
        element.appendChild(choiceElement(isRadio ? "radio" : "checkbox", field, option, option, required, checked));
      });
    } else if (field.type === "checkbox") {
      element.appendChild(choiceElement("checkbox", field, "1", "", field.required, field.value === "1"));
    } else {
      element.appendChild(appendCaption(make("label", {"for": field.name}), field));
      element.appendChild(inputElement(field));
    }
    return element;
  }

  var formElement = make("form", {method: "post", action: action});
  if (form.inputs.some(function (field) { return field.type === "file"; })) formElement.enctype = "multipart/form-data";
  form.inputs.forEach(function (field) { formElement.appendChild(fieldElement(field)); });
  var trapLine = formElement.appendChild(make("p", {class: "more", "aria-hidden": "true"}));
  trapLine.appendChild(make("input", {name: form.trap, tabindex: "-1", autocomplete: "off", "aria-label": form.texts.trap}));
  var button = formElement.appendChild(make("button", {}, form.texts.send));
  panel.appendChild(formElement);

  function showErrors(message, errors) {
    panel.querySelectorAll(".error, .message").forEach(function (old) { old.remove(); });
    panel.querySelectorAll("[aria-invalid]").forEach(function (old) {
      old.removeAttribute("aria-invalid");
      old.removeAttribute("aria-describedby");
    });
    var summary = make("p", {class: "message", role: "alert", tabindex: "-1"}, message);
    formElement.insertBefore(summary, formElement.firstChild);
    var first = null;
    formElement.querySelectorAll(".field").forEach(function (element) {
      var error = errors && errors[element.fieldName];
      if (!error) return;
      var id = element.fieldName + "-error";
      element.appendChild(make("p", {class: "error", id: id}, error));
      var input = element.querySelector("input, textarea, select");
      input.setAttribute("aria-invalid", "true");
      input.setAttribute("aria-describedby", id);
      first = first || input;
    });
    (first || summary).focus();
  }

  function trackingId() {
    var match = document.cookie.match(/(?:^|;\s*)__ss_tk=([^;]*)/);
    if (!match) return "";
    try {
      return decodeURIComponent(match[1]);
    } catch (_) {
      return match[1];
    }
  }

  function formBody() {
    var values = new FormData(formElement);
    values.set(form.tokenName, form.token);
    values.set("_page", location.href.slice(0, 2000));
    if (trackingId()) values.set("trackingid__sb", trackingId());
    return formElement.enctype === "multipart/form-data" ? values : new URLSearchParams(values);
  }

  function handleAnswer(answer) {
    if (!answer.ok) {
      form.token = answer.token || form.token;
      button.disabled = false;
      return showErrors(answer.message, answer.errors);
    }
    if (answer.redirect) return location.assign(answer.redirect);
    var thanks = make("p", {class: "thanks", role: "status", tabindex: "-1"}, answer.message);
    panel.replaceChild(thanks, formElement);
    thanks.focus();
  }

  formElement.addEventListener("submit", function (event) {
    event.preventDefault();
    button.disabled = true;
    // A browser that fills in all fields can be too fast: the server would take the visitor for a bot.
    setTimeout(function () {
      fetch(action, {method: "POST", body: formBody(), headers: {Accept: "application/json"}, credentials: "omit"})
        .then(function (response) { return response.json(); })
        .then(handleAnswer)
        .catch(function () {
          button.disabled = false;
          showErrors(form.texts.not_sent);
        });
    }, Math.max(0, form.wait - (Date.now() - loadedAt)));
  });
})
