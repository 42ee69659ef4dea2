# Who is woken, and by what. docs/operations.md says of each alert, by its name, what it means and what to do.

locals {
  # Each callback, whatever its answer; a sampled row counts for those that it stands for. Only the host's rows have a
  # URL: what the service exports of traced requests (ledger/telemetry/) has none, and is not counted twice.
  callbacks = "AppRequests | where Url has '/api/status/create'"

  # The newest value of one of the service's own metrics (ledger/telemetry/instruments.py).
  newest = "AppMetrics | where Name == '%s' | summarize arg_max(TimeGenerated, *) by AppRoleInstance | extend value = Sum / ItemCount"

  log_alerts = {
    signatures-refused = {
      severity    = 1
      description = "Over 1% of callbacks have a wrong signature: a secret is wrong, ours or the supplier's. They wait in quarantine."
      query       = "${local.callbacks} | summarize refused = sumif(ItemCount, ResultCode == '403'), total = sum(ItemCount) | where refused > 0.01 * total"
    }
    signed-callback-refused = {
      severity    = 1
      description = "A signed callback was answered 422: the supplier says something new. It is kept, and Notify does not send it again."
      query       = "${local.callbacks} | where ResultCode == '422'"
    }
    callback-too-large = {
      severity    = 1
      description = "A callback was larger than MAX_BODY_BYTES and is lost: Notify does not send it again."
      query       = "${local.callbacks} | where ResultCode == '413'"
    }
    answers-500 = {
      severity    = 0
      description = "Requests fail. Notify sends callbacks again for 2 hours."
      query       = "AppRequests | where isnotempty(Url) and toint(ResultCode) >= 500 | summarize failed = sum(ItemCount) | where failed >= 5"
    }
    gateway-answers-500 = {
      severity    = 0
      description = "The gateway answers 5xx: it does not reach the app."
      query       = "AGWAccessLogs | where HttpStatus >= 500 | summarize failed = count() | where failed >= 5"
    }
    turned-away = {
      severity    = 2
      description = "Callbacks are answered 429: more come than are written, or the quarantine is full."
      query       = "${local.callbacks} | where ResultCode == '429'"
    }
    quarantine-full = {
      severity    = 0
      description = "The quarantine is full: what would go there is answered 429, and lost when the supplier gives up."
      query       = "AppTraces | where Message has 'quarantine.full'"
    }
    quarantine-filling = {
      severity    = 1
      description = "The quarantine is more than half full."
      query       = "${format(local.newest, "ledger.quarantine.fill")} | where value > 0.5"
    }
    quarantine-growing = {
      severity    = 2
      description = "Callbacks go into quarantine: one of their two proofs is wrong."
      query       = "AppTraces | where Message has 'callback.quarantined' | summarize waiting = sum(ItemCount) | where waiting >= 10"
    }
    unsealed-too-long = {
      severity    = 1
      description = "An entry has waited more than 10 minutes for its seal: the sealer does not run, or a transaction stays open."
      query       = "${format(local.newest, "ledger.unsealed.age")} | where value > 600"
    }
    anchor-missing = {
      severity    = 1
      description = "The newest checkpoint has not been anchored for an hour."
      query       = "${format(local.newest, "ledger.anchor.age")} | where value > 3600"
    }
    ledger-inconsistent = {
      severity    = 0
      description = "The ledger is not what was signed or published before: somebody changed it, or it was put back. Nothing more is sealed."
      query       = "AppTraces | where Message has 'sealing.stopped' and Message has_any ('LogInconsistent', 'AnchorConflict')"
    }
    entry-missed = {
      severity    = 1
      description = "The daily sweep found entries that the sealer had passed over. They are sealed now; why they were missed is not known."
      query       = "AppTraces | where Message has 'entry.missed'"
    }
    firewall-blocked-callback = {
      severity    = 1
      description = "The firewall refused a callback: the ledger never saw it."
      query       = "AGWFirewallLogs | where Action =~ 'Blocked' and RequestUri has '/api/status/create'"
    }
  }

  database_alerts = {
    database-storage = {
      severity    = 1
      description = "Over 80% of the database's storage is used. At 95% it turns read-only and no callback is taken."
      metric      = "storage_percent"
      aggregation = "Average"
      operator    = "GreaterThan"
      threshold   = 80
    }
    database-connections = {
      severity    = 1
      description = "Over 80% of the database's connections are taken."
      metric      = "active_connections"
      aggregation = "Maximum"
      operator    = "GreaterThan"
      threshold   = floor(0.8 * var.max_connections)
    }
    database-down = {
      severity    = 0
      description = "The database does not answer: every callback is answered 500."
      metric      = "is_db_alive"
      aggregation = "Maximum"
      operator    = "LessThan"
      threshold   = 1
    }
  }
}

resource "azurerm_monitor_action_group" "operators" {
  name                = "ag-stledger-${var.environment}"
  resource_group_name = azurerm_resource_group.audit.name
  short_name          = "stledger-${substr(var.environment, 0, 3)}"
  tags                = module.names.tags

  dynamic "email_receiver" {
    for_each = var.told
    content {
      name                    = email_receiver.key
      email_address           = email_receiver.value
      use_common_alert_schema = true
    }
  }
}

module "log_alert" {
  source   = "../modules/log_alert"
  for_each = local.log_alerts

  name            = each.key
  place           = local.place
  description     = each.value.description
  query           = each.value.query
  severity        = each.value.severity
  workspace_id    = azurerm_log_analytics_workspace.this.id
  action_group_id = azurerm_monitor_action_group.operators.id
}

module "silence" {
  source = "../modules/log_alert"

  name            = "no-callbacks"
  place           = local.place
  description     = "No callback came for ${var.silence_alert.window}: the supplier cannot reach us, or stopped sending."
  query           = "${local.callbacks} | summarize heard = count() | where heard == 0"
  severity        = 1
  enabled         = var.silence_alert.enabled
  every           = "PT15M"
  window          = var.silence_alert.window
  workspace_id    = azurerm_log_analytics_workspace.this.id
  action_group_id = azurerm_monitor_action_group.operators.id
}

resource "azurerm_monitor_metric_alert" "database" {
  for_each = local.database_alerts

  name                = each.key
  resource_group_name = azurerm_resource_group.audit.name
  description         = each.value.description
  severity            = each.value.severity
  scopes              = [data.azurerm_postgresql_flexible_server.this.id]
  frequency           = "PT1M"
  window_size         = "PT5M"
  tags                = module.names.tags

  criteria {
    metric_namespace = "Microsoft.DBforPostgreSQL/flexibleServers"
    metric_name      = each.value.metric
    aggregation      = each.value.aggregation
    operator         = each.value.operator
    threshold        = each.value.threshold
  }

  action {
    action_group_id = azurerm_monitor_action_group.operators.id
  }
}

# From outside, as a supplier comes: name, certificate, gateway, app.
resource "azurerm_application_insights_standard_web_test" "outside" {
  name                    = "available-from-outside"
  resource_group_name     = azurerm_resource_group.audit.name
  location                = var.location
  application_insights_id = azurerm_application_insights.this.id
  geo_locations           = ["emea-gb-db3-azr", "emea-nl-ams-azr", "emea-fr-pra-edge", "emea-ru-msa-edge", "emea-se-sto-edge"]
  frequency               = 300
  timeout                 = 30
  retry_enabled           = true
  enabled                 = true
  tags                    = merge(module.names.tags, { "hidden-link:${azurerm_application_insights.this.id}" = "Resource" })

  request {
    url                              = "https://${var.host}/api/healthcheck/ready"
    parse_dependent_requests_enabled = false
  }

  validation_rules {
    expected_status_code        = 200
    ssl_check_enabled           = true
    ssl_cert_remaining_lifetime = 30 # days: fails, and so alerts, while there is time to renew it

    content {
      content_match      = "ready"
      pass_if_text_found = true
    }
  }
}

resource "azurerm_monitor_metric_alert" "outside" {
  name                = "unavailable-or-certificate-expiring"
  resource_group_name = azurerm_resource_group.audit.name
  description         = "The service is not ready as seen from outside, or its certificate has less than 30 days."
  severity            = 0
  frequency           = "PT1M"
  window_size         = "PT5M"
  scopes              = [azurerm_application_insights_standard_web_test.outside.id, azurerm_application_insights.this.id]
  tags                = module.names.tags

  application_insights_web_test_location_availability_criteria {
    web_test_id           = azurerm_application_insights_standard_web_test.outside.id
    component_id          = azurerm_application_insights.this.id
    failed_location_count = 2
  }

  action {
    action_group_id = azurerm_monitor_action_group.operators.id
  }
}
