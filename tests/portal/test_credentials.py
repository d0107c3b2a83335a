"""Vendors' keys: encrypted, bound to their address, never shown, rotated."""

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ValidationError
from django.core.management import call_command

from portal import credentials
from portal.models import Credential
from portal.secrets import SecretLost

KEY = "sk-secret-0123456789abcdef"


@pytest.fixture
def credential(cast):
    return credentials.create_credential(workspace=cast.workspace, by=cast.admin.user, kind="openai", api_key=KEY)


def test_a_key_is_encrypted_at_rest(credential):
    stored = bytes(Credential.objects.values_list("secret_encrypted", flat=True).get())
    assert KEY.encode() not in stored
    assert credential.secret() == KEY
    assert KEY not in str(credential.__dict__)


def test_a_new_address_needs_the_key_again(cast, credential):
    with pytest.raises(ValidationError, match="enter the key again"):
        credentials.update_credential(credential, by=cast.admin.user, base_url="https://elsewhere.example/v1")


def test_a_key_moved_to_another_row_can_not_be_read(cast, credential):
    """Whoever can write rows can't make the portal send one workspace's key to an address of theirs."""
    Credential.objects.update(base_url="https://evil.example/v1")
    credential.refresh_from_db()
    with pytest.raises(SecretLost, match="another address"):
        credential.secret()


def test_private_addresses_need_the_operator(cast, settings):
    settings.PRIVATE_HOSTS = []
    with pytest.raises(ValidationError, match="ATRIUM_PRIVATE_HOSTS"):
        credentials.create_credential(
            workspace=cast.workspace, by=cast.admin.user, kind="openai_compatible", base_url="http://127.0.0.1:11434/v1"
        )


def test_an_unknown_kind_names_the_known_ones(cast):
    with pytest.raises(ValidationError, match="openai, openai_compatible, mistral, anthropic"):
        credentials.create_credential(workspace=cast.workspace, by=cast.admin.user, kind="acme", api_key=KEY)


def test_keys_rotate(credential, settings):
    old = settings.ENCRYPTION_KEYS
    new = Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = [new, *old]
    call_command("rotate_keys")
    settings.ENCRYPTION_KEYS = [new]
    credential.refresh_from_db()
    assert credential.secret() == KEY


def test_without_a_credential_passages_are_quoted(cast):
    assert credentials.chat_model(cast.workspace, None, "").vendor == "quotes"


def test_a_removed_default_falls_back(cast, credential):
    credentials.set_default_model(cast.workspace, credential, "gpt-x", by=cast.admin.user)
    assert credentials.chat_model(cast.workspace, None, "").vendor == "openai"
    credentials.remove_credential(credential, by=cast.admin.user)
    cast.workspace.refresh_from_db()
    assert credentials.chat_model(cast.workspace, None, "").vendor == "quotes"


def test_no_credential_of_another_workspace(cast, credential):
    with pytest.raises(ValidationError):
        credentials.set_default_model(cast.elsewhere, credential, "gpt-x", by=cast.outsider.user)
