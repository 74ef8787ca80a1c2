"""The texts of form pages in the languages of visitors: messages, buttons, and the labels of standard fields."""

import re
from collections.abc import Mapping

LANGUAGES = ("en", "de", "es", "fr", "it", "nl", "pt")
"""The languages of form pages. The first one is used if the visitor's browser asks for none of them."""

AUTO = "auto"
"""The language of a form that speaks the language of each visitor."""

_ACCEPTED = re.compile(r"(?ai)([a-z]{2,3})(?:-[a-z0-9]{1,8})*(?:;q=([01](?:\.[0-9]{1,3})?))?")


def negotiate(accept_language: str) -> str:
    """Returns the language that a browser's Accept-Language prefers (RFC 9110, 12.5.4)."""
    ranges = [_ACCEPTED.fullmatch(part.replace(" ", "")) for part in accept_language[:1_000].split(",")]
    weights = [(float(match[2] or 1), match[1].lower()) for match in ranges if match]
    known = [(weight, language) for weight, language in weights if weight and language in LANGUAGES]
    return max(known, key=lambda pair: pair[0])[1] if known else LANGUAGES[0]


def text(language: str, key: str, **values: object) -> str:
    """Returns a text in a language, with values in place of its names in braces."""
    return _TEXTS[key][LANGUAGES.index(language)].format(**values)


def label(language: str, system_name: str) -> str | None:
    """Returns the label of a standard field, or None for a field that has only the label of the company."""
    labels = _LABELS.get(system_name)
    return labels[LANGUAGES.index(language)] if labels else None


_LABELS: Mapping[str, tuple[str, ...]] = {
    "emailAddress": ("Email", "E-Mail", "Correo electrónico", "E-mail", "Email", "E-mail", "E-mail"),
    "firstName": ("First name", "Vorname", "Nombre", "Prénom", "Nome", "Voornaam", "Nome"),
    "lastName": ("Last name", "Nachname", "Apellidos", "Nom", "Cognome", "Achternaam", "Sobrenome"),
    "companyName": ("Company", "Firma", "Empresa", "Société", "Azienda", "Bedrijf", "Empresa"),
    "title": ("Title", "Position", "Cargo", "Fonction", "Ruolo", "Functie", "Cargo"),
    "phoneNumber": ("Phone number", "Telefon", "Teléfono", "Téléphone", "Telefono", "Telefoonnummer", "Telefone"),
    "mobilePhoneNumber": (
        "Mobile phone number", "Mobiltelefon", "Teléfono móvil", "Téléphone portable", "Cellulare", "Mobiel nummer",
        "Telemóvel / celular",
    ),
    "officePhoneNumber": (
        "Office phone number", "Telefon im Büro", "Teléfono de la oficina", "Téléphone professionnel",
        "Telefono dell'ufficio", "Telefoonnummer werk", "Telefone do escritório",
    ),
    "faxNumber": ("Fax number", "Fax", "Fax", "Fax", "Fax", "Fax", "Fax"),
    "street": ("Street", "Straße", "Calle", "Rue", "Via", "Straat", "Rua"),
    "city": ("City", "Ort", "Ciudad", "Ville", "Città", "Plaats", "Cidade"),
    "state": ("State", "Bundesland", "Provincia", "Région", "Provincia", "Provincie", "Estado / distrito"),
    "country": ("Country", "Land", "País", "Pays", "Paese", "Land", "País"),
    "zipcode": ("Postal code", "Postleitzahl", "Código postal", "Code postal", "CAP", "Postcode", "Código postal"),
    "website": ("Website", "Website", "Sitio web", "Site web", "Sito web", "Website", "Site"),
    "description": ("Description", "Nachricht", "Mensaje", "Message", "Messaggio", "Bericht", "Mensagem"),
}  # fmt: skip

_TEXTS: Mapping[str, tuple[str, ...]] = {
    "send": ("Send", "Senden", "Enviar", "Envoyer", "Invia", "Versturen", "Enviar"),
    "optional": (
        "(optional)", "(freiwillig)", "(opcional)", "(facultatif)", "(facoltativo)", "(optioneel)", "(opcional)",
    ),
    "choose": (
        "Please choose", "Bitte wählen", "Elija una opción", "Veuillez choisir", "Scegliere", "Maak een keuze",
        "Escolha uma opção",
    ),
    "trap": (
        "Leave this empty", "Bitte leer lassen", "Deje este campo vacío", "Laissez ce champ vide",
        "Lasciare vuoto questo campo", "Laat dit veld leeg", "Deixe este campo vazio",
    ),
    "thanks": (
        "Thank you. We have received what you sent.",
        "Vielen Dank. Ihre Angaben sind bei uns angekommen.",
        "Gracias. Hemos recibido su envío.",
        "Merci. Nous avons bien reçu votre envoi.",
        "Grazie. Abbiamo ricevuto i suoi dati.",
        "Bedankt. Wij hebben uw gegevens ontvangen.",
        "Obrigado. Recebemos os seus dados.",
    ),
    "not_sent": (
        "We could not send the form. Please try again in a minute.",
        "Das Formular konnte nicht gesendet werden. Bitte versuchen Sie es in einer Minute noch einmal.",
        "No se pudo enviar el formulario. Inténtelo de nuevo en un minuto.",
        "Le formulaire n'a pas pu être envoyé. Veuillez réessayer dans une minute.",
        "Non è stato possibile inviare il modulo. Riprovi tra un minuto.",
        "Het formulier kon niet worden verstuurd. Probeer het over een minuut opnieuw.",
        "Não foi possível enviar o formulário. Tente novamente dentro de um minuto.",
    ),
    "check": (
        "Please check the fields below.", "Bitte prüfen Sie die Felder unten.", "Revise los campos siguientes.",
        "Veuillez vérifier les champs ci-dessous.", "Controlli i campi qui sotto.", "Controleer de velden hieronder.",
        "Verifique os campos abaixo.",
    ),
    "missing": (
        "Please fill in this field.", "Bitte füllen Sie dieses Feld aus.", "Rellene este campo.",
        "Veuillez remplir ce champ.", "Compili questo campo.", "Vul dit veld in.", "Preencha este campo.",
    ),
    "missing_one": (
        "Please choose one.", "Bitte wählen Sie eines aus.", "Elija una opción.", "Veuillez faire un choix.",
        "Scelga un'opzione.", "Maak een keuze.", "Escolha uma opção.",
    ),
    "missing_some": (
        "Please choose at least one.", "Bitte wählen Sie mindestens eines aus.", "Elija al menos una opción.",
        "Veuillez choisir au moins une option.", "Scelga almeno un'opzione.", "Kies er minstens één.",
        "Escolha pelo menos uma opção.",
    ),
    "missing_tick": (
        "Please tick this box to go on.", "Bitte setzen Sie hier einen Haken.", "Marque esta casilla para continuar.",
        "Veuillez cocher cette case pour continuer.", "Selezioni questa casella per continuare.",
        "Vink dit vakje aan om verder te gaan.", "Marque esta caixa para continuar.",
    ),
    "missing_file": (
        "Please choose a file.", "Bitte wählen Sie eine Datei aus.", "Elija un archivo.",
        "Veuillez choisir un fichier.", "Scelga un file.", "Kies een bestand.", "Escolha um ficheiro.",
    ),
    "file_too_large": (
        "Please choose a file of at most {megabytes} MB.",
        "Bitte wählen Sie eine Datei von höchstens {megabytes} MB.",
        "Elija un archivo de {megabytes} MB como máximo.",
        "Veuillez choisir un fichier de {megabytes} Mo au maximum.",
        "Scelga un file di al massimo {megabytes} MB.",
        "Kies een bestand van hoogstens {megabytes} MB.",
        "Escolha um ficheiro de, no máximo, {megabytes} MB.",
    ),
    "address": (
        "Please enter an email address, such as name@example.com.",
        "Bitte geben Sie eine E-Mail-Adresse ein, zum Beispiel name@example.com.",
        "Escriba una dirección de correo, por ejemplo name@example.com.",
        "Veuillez saisir une adresse e-mail, par exemple name@example.com.",
        "Inserisca un indirizzo email, ad esempio name@example.com.",
        "Vul een e-mailadres in, zoals name@example.com.",
        "Indique um endereço de e-mail, por exemplo name@example.com.",
    ),
    "one_of": (
        "Please choose one of the options.", "Bitte wählen Sie eine der Möglichkeiten.", "Elija una de las opciones.",
        "Veuillez choisir une des options.", "Scelga una delle opzioni.", "Kies een van de opties.",
        "Escolha uma das opções.",
    ),
    "some_of": (
        "Please choose from the options.", "Bitte wählen Sie aus den Möglichkeiten.", "Elija entre las opciones.",
        "Veuillez choisir parmi les options.", "Scelga tra le opzioni.", "Kies uit de opties.",
        "Escolha entre as opções.",
    ),
    "too_long": (
        "Please keep this to {most:,} characters; it has {length:,}.",
        "Bitte höchstens {most} Zeichen; es sind {length}.",
        "Como máximo {most} caracteres; ahora tiene {length}.",
        "{most} caractères au maximum ; il y en a {length}.",
        "Al massimo {most} caratteri; ora sono {length}.",
        "Hoogstens {most} tekens; het zijn er {length}.",
        "No máximo {most} caracteres; tem {length}.",
    ),
    "text": (
        "Please enter a text.", "Bitte geben Sie einen Text ein.", "Escriba un texto.", "Veuillez saisir un texte.",
        "Inserisca un testo.", "Vul een tekst in.", "Escreva um texto.",
    ),
    "date": (
        "Please enter a date as year-month-day, such as 2026-03-14.",
        "Bitte geben Sie das Datum als Jahr-Monat-Tag ein, zum Beispiel 2026-03-14.",
        "Escriba la fecha como año-mes-día, por ejemplo 2026-03-14.",
        "Veuillez saisir la date sous la forme année-mois-jour, par exemple 2026-03-14.",
        "Inserisca la data come anno-mese-giorno, ad esempio 2026-03-14.",
        "Vul de datum in als jaar-maand-dag, zoals 2026-03-14.",
        "Indique a data como ano-mês-dia, por exemplo 2026-03-14.",
    ),
    "datetime": (
        "Please enter a date and a time, such as 2026-03-14 09:30.",
        "Bitte geben Sie Datum und Uhrzeit ein, zum Beispiel 2026-03-14 09:30.",
        "Escriba la fecha y la hora, por ejemplo 2026-03-14 09:30.",
        "Veuillez saisir la date et l'heure, par exemple 2026-03-14 09:30.",
        "Inserisca data e ora, ad esempio 2026-03-14 09:30.",
        "Vul datum en tijd in, zoals 2026-03-14 09:30.",
        "Indique a data e a hora, por exemplo 2026-03-14 09:30.",
    ),
    "url": (
        "Please enter a web address, such as https://example.com.",
        "Bitte geben Sie eine Webadresse ein, zum Beispiel https://example.com.",
        "Escriba una dirección web, por ejemplo https://example.com.",
        "Veuillez saisir une adresse web, par exemple https://example.com.",
        "Inserisca un indirizzo web, ad esempio https://example.com.",
        "Vul een webadres in, zoals https://example.com.",
        "Indique um endereço web, por exemplo https://example.com.",
    ),
    "yes_or_no": (
        "Please answer with yes or no.", "Bitte antworten Sie mit Ja oder Nein.", "Responda sí o no.",
        "Veuillez répondre par oui ou par non.", "Risponda sì o no.", "Antwoord met ja of nee.",
        "Responda sim ou não.",
    ),
    "moment": ("One moment", "Einen Moment", "Un momento", "Un instant", "Un momento", "Een moment", "Um momento"),
    "not_found": (
        "Not found", "Nicht gefunden", "No encontrado", "Introuvable", "Non trovato", "Niet gevonden", "Não encontrado",
    ),
    "no_form": (
        "This form or file does not exist, or the form is closed.",
        "Dieses Formular oder diese Datei gibt es nicht, oder das Formular ist geschlossen.",
        "Este formulario o archivo no existe, o el formulario está cerrado.",
        "Ce formulaire ou fichier n'existe pas, ou le formulaire est fermé.",
        "Questo modulo o file non esiste, oppure il modulo è chiuso.",
        "Dit formulier of bestand bestaat niet, of het formulier is gesloten.",
        "Este formulário ou ficheiro não existe, ou o formulário está fechado.",
    ),
    "too_many": (
        "Too many forms were sent just now. Please try again in a minute.",
        "Gerade wurden zu viele Formulare gesendet. Bitte versuchen Sie es in einer Minute noch einmal.",
        "Se acaban de enviar demasiados formularios. Inténtelo de nuevo en un minuto.",
        "Trop de formulaires viennent d'être envoyés. Veuillez réessayer dans une minute.",
        "Sono stati inviati troppi moduli in poco tempo. Riprovi tra un minuto.",
        "Er zijn zojuist te veel formulieren verstuurd. Probeer het over een minuut opnieuw.",
        "Foram enviados demasiados formulários. Tente novamente dentro de um minuto.",
    ),
    "later": (
        "We could not do that just now. Please try again in a minute.",
        "Das ging gerade nicht. Bitte versuchen Sie es in einer Minute noch einmal.",
        "No ha sido posible en este momento. Inténtelo de nuevo en un minuto.",
        "Cela n'a pas été possible. Veuillez réessayer dans une minute.",
        "Al momento non è stato possibile. Riprovi tra un minuto.",
        "Dat lukte nu niet. Probeer het over een minuut opnieuw.",
        "Não foi possível neste momento. Tente novamente dentro de um minuto.",
    ),
    "trap_filled": (
        'Please clear the field that says "Leave this empty", and send the form again.',
        "Bitte leeren Sie das Feld „Bitte leer lassen“ und senden Sie das Formular noch einmal.",
        "Vacíe el campo «Deje este campo vacío» y envíe el formulario de nuevo.",
        "Veuillez vider le champ « Laissez ce champ vide » et renvoyer le formulaire.",
        "Svuoti il campo «Lasciare vuoto questo campo» e invii di nuovo il modulo.",
        'Maak het veld "Laat dit veld leeg" leeg en verstuur het formulier opnieuw.',
        "Limpe o campo «Deixe este campo vazio» e envie o formulário novamente.",
    ),
    "confirm": (
        "Please check your entries, and send the form once more.",
        "Bitte prüfen Sie Ihre Angaben und senden Sie das Formular noch einmal.",
        "Revise sus datos y envíe el formulario una vez más.",
        "Veuillez vérifier vos données et envoyer le formulaire encore une fois.",
        "Controlli i suoi dati e invii il modulo ancora una volta.",
        "Controleer uw gegevens en verstuur het formulier nog een keer.",
        "Verifique os seus dados e envie o formulário mais uma vez.",
    ),
    "check_mail": (
        "Almost done. We will send a message to your address. Please open the link in it to confirm.",
        "Fast geschafft. Wir senden eine Nachricht an Ihre Adresse. Bitte öffnen Sie den Link darin, um zu bestätigen.",
        "Ya casi está. Enviaremos un mensaje a su dirección. Abra el enlace que contiene para confirmar.",
        "C'est presque fini. Nous envoyons un message à votre adresse. Ouvrez le lien qu'il contient pour confirmer.",
        "Ci siamo quasi. Invieremo un messaggio al suo indirizzo. Apra il link che contiene per confermare.",
        "Bijna klaar. Wij sturen een bericht naar uw adres. Open de link daarin om te bevestigen.",
        "Está quase. Enviaremos uma mensagem para o seu endereço. Abra a ligação nela contida para confirmar.",
    ),
    "confirm_question": (
        "Did you send this form to {company}? Nothing changes until you press the button.",
        "Haben Sie dieses Formular an {company} gesendet? Es ändert sich nichts, bis Sie auf den Knopf drücken.",
        "¿Ha enviado usted este formulario a {company}? No cambia nada hasta que pulse el botón.",
        "Avez-vous envoyé ce formulaire à {company} ? Rien ne change tant que vous n'appuyez pas sur le bouton.",
        "Ha inviato questo modulo a {company}? Non cambia nulla finché non preme il pulsante.",
        "Hebt u dit formulier naar {company} gestuurd? Er verandert niets totdat u op de knop drukt.",
        "Enviou este formulário para {company}? Nada muda até premir o botão.",
    ),
    "confirm_button": ("Yes, confirm", "Ja, bestätigen", "Sí, confirmar", "Oui, confirmer", "Sì, confermo",
                       "Ja, bevestigen", "Sim, confirmar"),
    "no_link": (
        "This link is incomplete or invalid. Please copy the whole link from the message.",
        "Dieser Link ist unvollständig oder ungültig. Bitte kopieren Sie den ganzen Link aus der Nachricht.",
        "Este enlace está incompleto o no es válido. Copie el enlace completo del mensaje.",
        "Ce lien est incomplet ou non valide. Veuillez copier le lien entier du message.",
        "Questo link è incompleto o non valido. Copi il link intero dal messaggio.",
        "Deze link is onvolledig of ongeldig. Kopieer de hele link uit het bericht.",
        "Esta ligação está incompleta ou não é válida. Copie a ligação completa da mensagem.",
    ),
    "link_expired": (
        "This link has expired, so nothing was confirmed. Please fill in the form again.",
        "Dieser Link ist abgelaufen, daher wurde nichts bestätigt. Bitte füllen Sie das Formular noch einmal aus.",
        "Este enlace ha caducado, así que no se ha confirmado nada. Rellene el formulario de nuevo.",
        "Ce lien a expiré : rien n'a été confirmé. Veuillez remplir le formulaire à nouveau.",
        "Questo link è scaduto, quindi non è stato confermato nulla. Compili di nuovo il modulo.",
        "Deze link is verlopen, dus er is niets bevestigd. Vul het formulier opnieuw in.",
        "Esta ligação expirou, por isso nada foi confirmado. Preencha o formulário novamente.",
    ),
    "link_gone": (
        "We no longer have what you sent, so nothing was confirmed. Please fill in the form again.",
        "Ihre Angaben sind nicht mehr da, daher wurde nichts bestätigt. Bitte füllen Sie das Formular noch einmal aus.",
        "Ya no tenemos sus datos, así que no se ha confirmado nada. Rellene el formulario de nuevo.",
        "Nous n'avons plus ce que vous avez envoyé : rien n'a été confirmé. Veuillez remplir le formulaire à nouveau.",
        "Non abbiamo più i suoi dati, quindi non è stato confermato nulla. Compili di nuovo il modulo.",
        "Wij hebben uw gegevens niet meer, dus er is niets bevestigd. Vul het formulier opnieuw in.",
        "Já não temos os seus dados, por isso nada foi confirmado. Preencha o formulário novamente.",
    ),
    "outdated_page": (
        "This page was open for too long, or it was sent before. Please send the form again.",
        "Diese Seite war zu lange offen oder wurde schon gesendet. Bitte senden Sie das Formular noch einmal.",
        "Esta página estuvo abierta demasiado tiempo o ya se envió. Envíe el formulario de nuevo.",
        "Cette page est restée ouverte trop longtemps ou a déjà été envoyée. Veuillez renvoyer le formulaire.",
        "Questa pagina è rimasta aperta troppo a lungo o è già stata inviata. Invii di nuovo il modulo.",
        "Deze pagina stond te lang open of was al verstuurd. Verstuur het formulier opnieuw.",
        "Esta página esteve aberta demasiado tempo ou já foi enviada. Envie o formulário novamente.",
    ),
    "too_fast": (
        "That was very fast. Please send the form again.",
        "Das war sehr schnell. Bitte senden Sie das Formular noch einmal.",
        "Ha sido muy rápido. Envíe el formulario de nuevo.",
        "C'était très rapide. Veuillez renvoyer le formulaire.",
        "È stato molto veloce. Invii di nuovo il modulo.",
        "Dat ging erg snel. Verstuur het formulier opnieuw.",
        "Foi muito rápido. Envie o formulário novamente.",
    ),
}  # fmt: skip
"""The texts by key, in the order of LANGUAGES."""

KEYS = tuple(_TEXTS)
