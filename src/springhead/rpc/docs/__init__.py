"""The descriptions of the API: OpenRPC document, reference pages, compatibility table. They run no method."""
