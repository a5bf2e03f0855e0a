import jinja2
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response


def pages(name, loader):
    # ruleid: not-escaped
    jinja2.Environment(loader=loader)
    # ruleid: not-escaped
    jinja2.Environment(loader=loader, autoescape=False)
    # ok: not-escaped
    made = jinja2.Environment(loader=loader, autoescape=True)
    # ruleid: not-escaped
    Markup(name)
    # ruleid: not-escaped
    HTMLResponse(f"<p>{name}</p>")
    # ruleid: not-escaped
    Response(f"<p>{name}</p>", media_type="text/html")
    # ruleid: text-as-template
    made.from_string(name)
    # ruleid: text-as-template
    jinja2.Template(name)


def cookies(response):
    # ruleid: cookie-for-scripts
    response.set_cookie("token", "x")
    # ruleid: cookie-for-scripts
    response.set_cookie("token", "x", httponly=True)
    # ok: cookie-for-scripts
    response.set_cookie("token", "x", httponly=True, samesite="strict")


def decides(person, plan):
    # ruleid: assert-as-authority
    assert person.may_approve(plan)
    # ok: assert-as-authority
    assert isinstance(person, str)
    # ok: assert-as-authority
    assert plan.steps
