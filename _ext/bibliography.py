"""Write the bibliography anew whenever any page is: it lists what the pages cite, and Sphinx does not know that."""


def outdated(app, env, added, changed, removed):
    return {key.docname for key in env.get_domain("cite").bibliographies} if added | changed | removed else set()


def setup(app):
    app.connect("env-get-outdated", outdated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
