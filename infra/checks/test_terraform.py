"""The stacks: what Terraform says of them, what they make, and that each check can fail."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from infra.checks import rules
from infra.checks.terraform import ENVIRONMENTS, ROOT, STACKS, Resource, Stacks
from ledger.settings import DatabaseSettings, Settings

Plan = Callable[[str, str], list[Resource]]

LOCAL_ONLY = {"ALLOW_UNSAFE_DATABASE", "DATA_DIRECTORY", "MIGRATION_DATABASE_URL"}
"""Settings that the service of a deployed environment must not have: for experiments, or the pipeline's."""


def test_the_schema_is_that_of_the_pinned_provider(schema: dict[str, Any]) -> None:
    versions = [file.read_text() for file in ROOT.rglob("versions.tf")]
    pinned = {found for text in versions for found in re.findall(r'version = "([\d.]+)"', text)}
    assert pinned == {schema["version"]}


def test_the_code_is_formatted(terraform: None) -> None:
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-recursive", str(ROOT)],
        env={**os.environ, "TF_CLI_CONFIG_FILE": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("stack", STACKS)
def test_terraform_plans_each_stack_knowing_only_what_is_written(stacks: Stacks, stack: str) -> None:
    outcome = stacks.plan(stack, "prd")
    assert outcome.ok, outcome.text


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("stack", STACKS)
def test_nothing_that_is_made_breaks_a_rule(planned: Plan, stack: str, environment: str) -> None:
    plan = planned(stack, environment)
    asked = rules.CORE if stack == "core" else rules.AUDIT
    assert [fault for rule in asked for fault in rule(plan)] == []


@pytest.mark.parametrize("environment", ["pre", "prd"])
def test_pre_and_prd_survive_a_zone(planned: Plan, environment: str) -> None:
    assert list(rules.survives_a_zone(planned("core", environment))) == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_setting_of_the_service_is_given(planned: Plan, environment: str) -> None:
    (app,) = rules.of_type(planned("core", environment), "azurerm_linux_function_app")
    given = app.values["app_settings"]
    required = {name.upper() for name, field in Settings.model_fields.items() if field.is_required()}
    secrets = {name.upper() for name in Settings.SECRETS}
    assert given.keys() >= required | secrets | {"DATABASE_URL", "DATABASE_CONNECTIONS", "METRICS_API_KEY"}
    assert given["ENVIRONMENT"] == environment
    assert environment in get_args(DatabaseSettings.model_fields["environment"].annotation)
    assert not given.keys() & LOCAL_ONLY


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_service_is_set_up_for_functions(planned: Plan, environment: str) -> None:
    """A timer seals, nothing streams, and checkpoints bear the name of this ledger and no other."""
    (app,) = rules.of_type(planned("core", environment), "azurerm_linux_function_app")
    given = app.values["app_settings"]
    assert (given["SEAL_EVERY"], given["MAX_STREAMS"]) == ("0", "0")
    (gateway,) = rules.of_type(planned("core", environment), "azurerm_application_gateway")
    (host,) = {listener["host_name"] for listener in gateway.values["http_listener"]}
    assert given["LEDGER_NAME"] == f"{host}/status-ledger"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_each_environment_speaks_to_its_own_notify(planned: Plan, environment: str) -> None:
    (app,) = rules.of_type(planned("core", environment), "azurerm_linux_function_app")
    host = "api.service.nhs.uk" if environment in {"pre", "prd"} else "int.api.service.nhs.uk"
    assert app.values["app_settings"]["NOTIFY_BASE_URL"] == f"https://{host}"


@pytest.mark.parametrize("environment", ["pre", "prd"])
def test_what_runs_by_itself_is_off_in_the_slot_and_stays_so(planned: Plan, environment: str) -> None:
    plan = planned("core", environment)
    (app,) = rules.of_type(plan, "azurerm_linux_function_app")
    (slot,) = rules.of_type(plan, "azurerm_linux_function_app_slot")
    sticky = set(app.values["sticky_settings"][0]["app_setting_names"])
    assert sticky
    assert {name for name, value in slot.values["app_settings"].items() if value == "1"} == sticky
    assert not app.values["app_settings"].keys() & sticky


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_both_stacks_say_the_same_of_an_environment(environment: str) -> None:
    told = [
        dict(
            re.findall(
                r"^ *(\w+) += (.+)$",
                (ROOT / stack / "environments" / f"{environment}.tfvars").read_text(),
                re.MULTILINE,
            )
        )
        for stack in STACKS
    ]
    for name in ("environment", "unique", "host", "max_connections", "staging_slot"):
        assert told[0][name] == told[1][name], name


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_log_and_metric_of_core_is_kept(planned: Plan, environment: str) -> None:
    kept = {
        one.address.split('"')[1]
        for one in rules.of_type(planned("audit", environment), "azurerm_monitor_diagnostic_setting")
    }
    wanted = {
        "database",
        "key_vault",
        "gateway",
        "app",
        "plan",
        "registry",
        "network",
        "app-blob",
        "anchor-blob",
    }
    assert kept >= wanted | ({"app-staging"} if environment in {"pre", "prd"} else set())


def test_every_alert_of_the_issue_is_there_and_is_explained(planned: Plan) -> None:
    kinds = ("azurerm_monitor_scheduled_query_rules_alert_v2", "azurerm_monitor_metric_alert")
    alerts = {one.values["name"]: one for one in rules.of_type(planned("audit", "prd"), *kinds)}
    wanted = "signatures-refused signed-callback-refused callback-too-large quarantine-filling quarantine-growing answers-500"
    wanted += (
        " turned-away no-callbacks unsealed-too-long anchor-missing database-storage database-connections"
    )
    assert alerts.keys() >= {*wanted.split(), "unavailable-or-certificate-expiring"}
    for name, alert in alerts.items():
        assert alert.values.get("enabled", True) or name == "no-callbacks", name
        assert alert.values["description"].endswith("."), name


def test_every_variable_and_output_says_what_it_is() -> None:
    for file in ROOT.rglob("*.tf"):
        for kind, name, body in re.findall(
            r'^(variable|output) "(\w+)" \{\n(.*?)^\}', file.read_text(), re.MULTILINE | re.DOTALL
        ):
            assert "description" in body, f"{file.name}: {kind} {name}"


def test_checkov_finds_nothing_that_is_not_answered() -> None:
    done = subprocess.run(
        [
            Path(sys.executable).with_name("checkov"), "--directory", ROOT, "--framework", "terraform",
            "--config-file", Path(__file__).with_name("checkov.yaml"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


# Planted mistakes: each check is seen to fail.

REFUSED_BY_TERRAFORM = {
    "a misspelt argument": ("modules/database/main.tf", "auto_grow_enabled ", "auto_grow_enable ", 'argument named "auto_grow_enable" is not expected'),
    "a missing argument": ("modules/key_vault/main.tf", '  sku_name                      = "standard"\n', "", 'argument "sku_name" is required'),
    "a missing block": ("modules/private_endpoint/main.tf", "private_service_connection {", "private_dns_zone_group {", "Insufficient private_service_connection blocks"),
    "a misspelt block": ("modules/database/main.tf", "maintenance_window {", "maintenance_windows {", 'Blocks of type "maintenance_windows" are not expected'),
    "a resource that does not exist": ("modules/network/main.tf", '"azurerm_virtual_network"', '"azurerm_virtual_net"', 'does not support resource type "azurerm_virtual_net"'),
    "a reference to nothing": ("modules/database/main.tf", "this.fqdn", "this.fully_qualified_name", "has no argument, nested block, or exported attribute"),
    "a wrong type": ("modules/database/main.tf", "auto_grow_enabled             = true", "auto_grow_enabled             = [1]", "bool required"),
    "a wrong Notify": ("core/environments/prd.tfvars", "https://api.service", "https://int.api.service", "PRE and PRD to api.service.nhs.uk"),
    "PRD in one zone": ("core/environments/prd.tfvars", "zone_redundant         = true", "zone_redundant         = false", "PRE and PRD are redundant over zones"),
    "PRD without a slot": ("core/environments/prd.tfvars", "staging_slot           = true", "staging_slot           = false", "swap releases in from a staging slot"),
    "more connections than the database takes": ("core/environments/prd.tfvars", "connections_per_worker = 10", "connections_per_worker = 50", "are more than the 3437 that the database"),
    "an image by tag": ("core/main.tf", "digest   = var.initial_digest", 'digest   = "latest"', "An image is named by its digest"),
    "a log with query strings": ("audit/diagnostics.tf", '"FunctionAppLogs", "AppServicePlatformLogs"', '"AppServiceHTTPLogs"', "AppServiceHTTPLogs keeps query strings"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", REFUSED_BY_TERRAFORM)
def test_terraform_refuses(stacks: Stacks, mistake: str) -> None:
    path, old, new, complaint = REFUSED_BY_TERRAFORM[mistake]
    stacks.replace(path, old, new)
    outcome = stacks.plan("audit" if path.startswith("audit") else "core", "prd")
    assert not outcome.ok
    assert complaint in re.sub(r"\s+", " ", outcome.text)


FOUND_BY_A_RULE = {
    "a public database": ("modules/database/main.tf", "public_network_access_enabled = false", "public_network_access_enabled = true", "psql|public", rules.nothing_public),
    "a database that is public by default": ("modules/database/main.tf", "  public_network_access_enabled = false\n", "", "is public", rules.nothing_public),
    "an open port": ("modules/network/main.tf", 'name = "postgres-from-apps", from = local.prefixes.apps', 'name = "postgres-from-apps", from = "Internet"', "lets everybody in", rules.nothing_public),
    "a database with passwords": ("modules/database/main.tf", "password_auth_enabled         = false", "password_auth_enabled         = true", "takes passwords", rules.no_passwords),
    "a secret in plain": ("core/settings.tf", "ENVIRONMENT          = var.environment", 'ENVIRONMENT = var.environment\n    HMAC_SECRET = "an-application.a-key"', "HMAC_SECRET is no Key Vault reference", rules.no_secret_in_plain),
    "a password in the address": ("core/settings.tf", "postgresql://${local.names.app_identity}@", "postgresql://app:open-sesame@", "holds a password", rules.no_secret_in_plain),
    "a certificate that is not verified": ("core/settings.tf", "sslmode=verify-full", "sslmode=require", "does not verify", rules.verified_database),
    "PRD without a standby": ("modules/database/main.tf", 'var.zone_redundant ? ["2"] : []', "[]", "no standby", rules.survives_a_zone),
    "a role too broad": ("core/identities.tf", '"Website Contributor"', '"Owner"', "gives Owner", rules.least_privilege),
    "the service as administrator": ("modules/database/main.tf", 'principal_type      = "Group"', 'principal_type      = "ServicePrincipal"', "the database's administrator", rules.least_privilege),
    "anchors without versions": ("modules/storage/main.tf", "versioning_enabled = true", "versioning_enabled = false", "keeps no versions", rules.anchors_cannot_change),
    "a gateway that logs NHS numbers": ("modules/gateway/main.tf", '"nhsNumber"', '"nhs_number"', "logs nhsNumber", rules.no_query_strings_at_the_gateway),
    "a gateway that looks into bodies": ("modules/gateway/main.tf", "request_body_check       = false", "request_body_check       = true", "looks into bodies", rules.no_query_strings_at_the_gateway),
    "a gateway's log with query strings": ("audit/privacy.tf", '["RequestQuery"]', "[]", "AGWAccessLogs.RequestQuery keeps", rules.no_query_strings),
    "Application Insights with query strings": ("audit/privacy.tf", '["Url", "Name", "OperationName"]', '["Name", "OperationName"]', "AppRequests.Url keeps", rules.no_query_strings),
    "transformations that nobody applies": ("audit/privacy.tf", "defaultDataCollectionRuleResourceId =", "dataCollectionRule =", "does not apply", rules.no_query_strings),
    "every log there is": ("modules/diagnostics/main.tf", "category = enabled_log.value", 'category_group = "allLogs"', "sends allLogs", rules.no_query_strings),
}  # fmt: skip


@pytest.mark.parametrize("mistake", FOUND_BY_A_RULE)
def test_a_rule_finds(broken: Stacks, mistake: str) -> None:
    path, old, new, complaint, rule = FOUND_BY_A_RULE[mistake]
    broken.replace(path, old, new)
    plan = broken.planned("audit" if "audit" in path or "diagnostics" in path else "core", "prd")
    assert any(re.search(complaint, fault) for fault in rule(plan))


def test_a_setting_that_the_service_comes_to_need_is_missed(broken: Stacks) -> None:
    broken.replace("core/settings.tf", '    HMAC_SECRET     = "hmac-secret"\n', "")
    (app,) = rules.of_type(broken.planned("core", "prd"), "azurerm_linux_function_app")
    with pytest.raises(AssertionError):
        test_every_setting_of_the_service_is_given(lambda *_: [app], "prd")


def test_checkov_can_fail(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "modules" / "storage", tmp_path / "storage")
    file = tmp_path / "storage" / "main.tf"
    file.write_text(file.read_text().replace('"TLS1_2"', '"TLS1_0"'))
    done = subprocess.run(
        [
            Path(sys.executable).with_name("checkov"), "--directory", tmp_path, "--framework", "terraform",
            "--config-file", Path(__file__).with_name("checkov.yaml"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "CKV_AZURE_44" in done.stdout
