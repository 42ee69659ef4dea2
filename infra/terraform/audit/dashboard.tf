# One page that says how it is, in the portal: a tile a question.

locals {
  tiles = [
    { title = "Callbacks by answer", query = "${local.callbacks} | summarize callbacks = sum(ItemCount) by bin(TimeGenerated, 5m), ResultCode | render timechart" },
    { title = "Time to answer a callback, ms", query = "${local.callbacks} | summarize median = percentile(DurationMs, 50), p99 = percentile(DurationMs, 99) by bin(TimeGenerated, 5m) | render timechart" },
    { title = "Reads by answer", query = "AppRequests | where Url has '/api/statuses' | summarize reads = sum(ItemCount) by bin(TimeGenerated, 5m), ResultCode | render timechart" },
    { title = "Into quarantine", query = "AppTraces | where Message has 'callback.quarantined' | summarize callbacks = sum(ItemCount) by bin(TimeGenerated, 15m) | render timechart" },
    { title = "Oldest unsealed entry, s", query = "AppMetrics | where Name == 'ledger.unsealed.age' | summarize age = max(Max) by bin(TimeGenerated, 5m) | render timechart" },
    { title = "Database: storage and connections", query = "AzureMetrics | where MetricName in ('storage_percent', 'active_connections') | summarize value = max(Maximum) by bin(TimeGenerated, 5m), MetricName | render timechart" },
  ]
}

resource "azurerm_portal_dashboard" "this" {
  name                = "dash-stledger-${var.environment}"
  resource_group_name = azurerm_resource_group.audit.name
  location            = var.location
  tags                = merge(module.names.tags, { "hidden-title" = "Status Ledger, ${upper(var.environment)}" })

  dashboard_properties = jsonencode({
    lenses = [{
      order = 0
      parts = [for place, tile in local.tiles : {
        position = { x = 6 * (place % 2), y = 4 * floor(place / 2), colSpan = 6, rowSpan = 4 }
        metadata = {
          type = "Extension/Microsoft_OperationsManagementSuite_Workspace/PartType/LogsDashboardPart"
          inputs = [
            { name = "Scope", value = { resourceIds = [azurerm_log_analytics_workspace.this.id] } },
            { name = "Query", value = tile.query },
            { name = "TimeRange", value = "P1D" },
            { name = "Version", value = "2.0" },
            { name = "ControlType", value = "FrameControlChart" },
            { name = "SpecificChart", value = "Line" },
            { name = "PartTitle", value = tile.title },
          ]
        }
      }]
    }]
  })
}
