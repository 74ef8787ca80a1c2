"""The description of the API: OpenRPC document, reference pages, compatibility table. No method runs from here."""
