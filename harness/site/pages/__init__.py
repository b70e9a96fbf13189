"""The kinds of pages: what each shows. How it is shown stands in the templates."""
