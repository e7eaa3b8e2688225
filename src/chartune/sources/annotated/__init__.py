"""Annotated corpora: texts in which people have marked spans, links and entailments, as their owners ship them."""
