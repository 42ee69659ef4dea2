"""What must hold of planned resources, as functions from a plan to its faults: pure, so that they can be tried."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from infra.checks.terraform import Resource

Rule = Callable[[list[Resource]], Iterator[str]]

PRIVATE = {
    "azurerm_container_registry",
    "azurerm_key_vault",
    "azurerm_linux_function_app",
    "azurerm_linux_function_app_slot",
    "azurerm_postgresql_flexible_server",
    "azurerm_storage_account",
}
_SECRET_NAME = re.compile(r"(KEY|SECRET|PASSWORD|TOKEN|CONNECTION_STRING)(_PREVIOUS)?$")
_REFERENCE = re.compile(r"^@Microsoft\.KeyVault\(SecretUri=.+/secrets/[a-z0-9-]+\)$")
_URL_WITH_PASSWORD = re.compile(r"://[^/@:]*:[^/@]+@")
_SECRET_ARGUMENTS = {
    "administrator_password",
    "administrator_password_wo",
    "password",
    "registry_password",
    "storage_account_access_key",
    "value",
}
_TABLES_WITH_QUERIES = {
    "AGWAccessLogs": {"RequestUri", "RequestQuery", "OriginalRequestUriWithArgs"},
    "AGWFirewallLogs": {"RequestUri", "DetailedData", "DetailedMessage"},
    "AppDependencies": {"Data", "Name"},
    "AppExceptions": {"OuterMessage", "OperationName"},
    "AppRequests": {"Url", "Name", "OperationName"},
    "AppTraces": {"Message", "OperationName"},
    "FunctionAppLogs": {"Message"},
    "StorageBlobLogs": {"Uri"},
}
_LOGS_WITH_QUERIES = {"AppServiceHTTPLogs", "AppServiceConsoleLogs", "ApplicationGatewayPerformanceLog"}
BROAD_ROLES = {"Contributor", "Key Vault Administrator", "Owner", "User Access Administrator"}


def of_type(plan: list[Resource], *types: str) -> Iterator[Resource]:
    """Yield the resources of some types."""
    return (one for one in plan if one.type in types)


def nothing_public(plan: list[Resource]) -> Iterator[str]:
    """Whatever can be reached from outside is said to be so; only the gateway may."""
    for one in of_type(plan, *PRIVATE):
        if one.values.get("public_network_access_enabled") is not False:
            yield f"{one.address} is public"
    for one in of_type(plan, "azurerm_postgresql_flexible_server_firewall_rule"):
        yield f"{one.address} opens the database"
    for one in of_type(plan, "azurerm_public_ip"):
        if "module.gateway" not in one.address:
            yield f"{one.address} is a public address"
    for one in of_type(plan, "azurerm_network_security_group"):
        for rule in one.values["security_rule"]:
            open_to_all = rule["access"] == "Allow" and rule["source_address_prefix"] in {
                "*",
                "Internet",
                "0.0.0.0/0",
            }
            if open_to_all and not (
                one.address.endswith('["gateway"]') and rule["destination_port_range"] == "443"
            ):
                yield f"{one.address} lets everybody in: {rule['name']}"


def no_passwords(plan: list[Resource]) -> Iterator[str]:
    """Nobody logs in with a password or a shared key."""
    for one in of_type(plan, "azurerm_postgresql_flexible_server"):
        (authentication,) = one.values["authentication"] or [{}]
        if authentication.get("password_auth_enabled") is not False:
            yield f"{one.address} takes passwords"
        if authentication.get("active_directory_auth_enabled") is not True:
            yield f"{one.address} takes no Entra tokens"
    for one in of_type(plan, "azurerm_storage_account"):
        if one.values.get("shared_access_key_enabled") is not False:
            yield f"{one.address} has shared keys"
    for one in of_type(plan, "azurerm_container_registry"):
        if one.values.get("admin_enabled") is not False:
            yield f"{one.address} has an admin account"
    for one in of_type(plan, "azurerm_key_vault"):
        if not (one.values.get("rbac_authorization_enabled") and one.values.get("purge_protection_enabled")):
            yield f"{one.address} lacks RBAC or purge protection"


def no_secret_in_plain(plan: list[Resource]) -> Iterator[str]:
    """A secret stands in the vault, and everywhere else only a reference to it."""
    for one in of_type(plan, "azurerm_linux_function_app", "azurerm_linux_function_app_slot"):
        for name, value in one.values["app_settings"].items():
            if _SECRET_NAME.search(name) and not _REFERENCE.match(value):
                yield f"{one.address}: {name} is no Key Vault reference"
            if _URL_WITH_PASSWORD.search(value):
                yield f"{one.address}: {name} holds a password"
        (site,) = one.values["site_config"]
        if not _REFERENCE.match(site["application_insights_connection_string"] or ""):
            yield f"{one.address}: the connection string of Application Insights is no Key Vault reference"
    for one in plan:
        for name, value in _arguments(one.values):
            if name in _SECRET_ARGUMENTS and isinstance(value, str) and not _harmless(one, name):
                yield f"{one.address}: {name} would stand in the state"


def _harmless(one: Resource, name: str) -> bool:
    return name == "value" and one.type == "azurerm_postgresql_flexible_server_configuration"


def _arguments(values: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(values, dict):
        for name, value in values.items():
            yield name, value
            yield from _arguments(value)
    elif isinstance(values, list):
        for value in values:
            yield from _arguments(value)


def verified_database(plan: list[Resource]) -> Iterator[str]:
    """The app checks the database's certificate and name, and comes as its identity."""
    for one in of_type(plan, "azurerm_linux_function_app", "azurerm_linux_function_app_slot"):
        url = one.values["app_settings"].get("DATABASE_URL", "")
        if "sslmode=verify-full" not in url:
            yield f"{one.address} does not verify the database's certificate"
        if not re.match(r"postgresql://id-[a-z0-9-]+-app@", url):
            yield f"{one.address} does not log in as the app's identity"


def survives_a_zone(plan: list[Resource]) -> Iterator[str]:
    """A zone may fail: asked of PRE and PRD."""
    for one in of_type(plan, "azurerm_postgresql_flexible_server"):
        if [standby["mode"] for standby in one.values["high_availability"]] != ["ZoneRedundant"]:
            yield f"{one.address} has no standby in another zone"
    for one in of_type(plan, "azurerm_service_plan"):
        if not one.values.get("zone_balancing_enabled") or (one.values.get("worker_count") or 0) < 2:
            yield f"{one.address} is not spread over zones"
    if not list(of_type(plan, "azurerm_linux_function_app_slot")):
        yield "there is no staging slot"


def least_privilege(plan: list[Resource]) -> Iterator[str]:
    """Nobody is given more than a role made for the purpose, nor the service the database."""
    for one in of_type(plan, "azurerm_role_assignment"):
        if one.values["role_definition_name"] in BROAD_ROLES:
            yield f"{one.address} gives {one.values['role_definition_name']}"
        if str(one.values["scope"]).startswith("azurerm_resource_group"):
            yield f"{one.address} gives a role over a whole group"
    for one in of_type(plan, "azurerm_postgresql_flexible_server_active_directory_administrator"):
        if one.values["principal_type"] != "Group":
            yield f"{one.address} makes a program the database's administrator"


def anchors_cannot_change(plan: list[Resource]) -> Iterator[str]:
    """Anchors are kept in versions, under an immutability policy."""
    if not any(
        one.values["blob_properties"][0].get("versioning_enabled")
        for one in of_type(plan, "azurerm_storage_account")
        if one.address.endswith(".anchor")
    ):
        yield "the store of anchors keeps no versions"
    if not list(of_type(plan, "azurerm_storage_container_immutability_policy")):
        yield "the container of anchors has no immutability policy"


def tagged(plan: list[Resource]) -> Iterator[str]:
    """Whatever bears tags tells its environment."""
    for one in plan:
        tags = one.values.get("tags")
        if isinstance(tags, dict) and "Environment" not in tags:
            yield f"{one.address} does not tell its environment"


def no_query_strings(plan: list[Resource]) -> Iterator[str]:
    """No log keeps a query string, which may hold an NHS number."""
    flows: dict[str, str] = {}
    for rule in of_type(plan, "azurerm_monitor_data_collection_rule"):
        for flow in rule.values["data_flow"]:
            for stream in flow["streams"]:
                flows[stream.removeprefix("Microsoft-Table-")] = flow["transform_kql"]
    for table, columns in _TABLES_WITH_QUERIES.items():
        for column in sorted(columns):
            if not _cleaned(flows.get(table, ""), column):
                yield f"{table}.{column} keeps query strings"
    for one in of_type(plan, "azurerm_monitor_diagnostic_setting"):
        for log in one.values["enabled_log"]:
            if log.get("category_group") or log.get("category") in _LOGS_WITH_QUERIES:
                yield f"{one.address} sends {log.get('category') or log.get('category_group')}"
        if one.values.get("log_analytics_destination_type") != "Dedicated":
            yield f"{one.address} goes to AzureDiagnostics, which nothing transforms"
        if one.values.get("storage_account_id") or one.values.get("eventhub_name"):
            yield f"{one.address} goes where nothing transforms it"
    deployed = [
        json.loads(one.values["template_content"])
        for one in of_type(plan, "azurerm_resource_group_template_deployment")
    ]
    if not any(
        "defaultDataCollectionRuleResourceId" in resource["properties"]
        for template in deployed
        for resource in template["resources"]
    ):
        yield "the workspace does not apply its transformations"


def _cleaned(transformation: str, column: str) -> bool:
    ways = (
        f"extend {column} = tostring(split({column}, '?')[0])",
        f"extend {column} = ''",
        f"where not({column} has 'nhsNumber')",
    )
    return any(way in transformation.split(" | ") for way in ways)


def no_query_strings_at_the_gateway(plan: list[Resource]) -> Iterator[str]:
    """The firewall's own log masks the NHS number, and it neither reads nor limits a body."""
    for one in of_type(plan, "azurerm_web_application_firewall_policy"):
        (settings,) = one.values["policy_settings"]
        scrubbed = {
            rule["selector"]
            for scrubbing in settings["log_scrubbing"]
            for rule in scrubbing["rule"]
            if rule["enabled"] and scrubbing["enabled"]
        }
        for name in sorted({"nhsNumber", "x-api-key", "x-hmac-sha256-signature"} - scrubbed):
            yield f"{one.address} logs {name}"
        if settings["request_body_check"] is not False:
            yield f"{one.address} looks into bodies, and may refuse a callback"
    for one in of_type(plan, "azurerm_application_gateway"):
        if one.values["rewrite_rule_set"] or any(
            listener["protocol"] != "Https" for listener in one.values["http_listener"]
        ):
            yield f"{one.address} rewrites requests or listens without TLS"


EVERYWHERE: Iterable[Rule] = (
    nothing_public,
    no_passwords,
    no_secret_in_plain,
    verified_database,
    least_privilege,
    tagged,
)
CORE: Iterable[Rule] = (*EVERYWHERE, anchors_cannot_change, no_query_strings_at_the_gateway)
AUDIT: Iterable[Rule] = (no_secret_in_plain, least_privilege, tagged, no_query_strings)
