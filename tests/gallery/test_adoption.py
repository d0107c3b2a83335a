"""The page on adoption: templates for teams without an assistant."""

import pytest

from gallery.admin_adoption import department_of
from gallery.models import Template, TemplateVersion
from tests import factories


@pytest.mark.parametrize(
    ("name", "department"),
    [
        ("Sales EMEA", "sales"),
        ("HR", "people"),
        ("Dev & Platform", "engineering"),
        ("Customer service", "support"),
        ("Board", ""),
        ("Itinerary", ""),
    ],
)
def test_a_space_is_known_by_what_it_is_called(name, department):
    assert department_of(name) == department


def test_a_team_without_an_assistant_is_offered_a_template_of_its_shelf_alone(cast, client):
    Template.objects.all().delete()
    theirs = None
    for workspace, name in ((cast.elsewhere, "Secret of Umbra"), (cast.workspace, "Account brief")):
        template = Template.objects.create(
            workspace=workspace, slug="brief", department="sales", state=Template.State.WORKSPACE
        )
        template.latest = TemplateVersion.objects.create(template=template, number=1, name=name)
        template.save()
        theirs = theirs or template
    client.force_login(cast.admin.user)
    page = "/w/acme/govern/adoption/"
    assert "Account brief" not in client.get(page).content.decode()
    factories.space(cast.workspace, cast.member, name="Sales")
    html = client.get(page).content.decode()
    assert "“Account brief” is a template that Sales could start with." in html
    assert "Umbra" not in html
