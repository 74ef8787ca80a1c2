"""What the public leaves: form submits, page views, visitors, email events; and the sites that it leaves them on."""
