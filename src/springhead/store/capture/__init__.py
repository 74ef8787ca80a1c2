"""Data from the public: form submissions, page views, visitors, email events; and the sites that they come from."""
