# Logs and metrics of everything that core made, into the workspace.

locals {
  sources = merge(
    {
      database  = { id = data.azurerm_postgresql_flexible_server.this.id, logs = ["PostgreSQLLogs", "PostgreSQLFlexSessions"] }
      key_vault = { id = data.azurerm_key_vault.this.id, logs = ["AuditEvent"] }
      gateway   = { id = data.azurerm_application_gateway.this.id, logs = ["ApplicationGatewayAccessLog", "ApplicationGatewayFirewallLog"] }
      # AppServiceHTTPLogs is left out: whole query strings, and Application Insights has each request anyway.
      app       = { id = data.azurerm_linux_function_app.this.id, logs = ["FunctionAppLogs", "AppServicePlatformLogs"] }
      plan      = { id = data.azurerm_service_plan.this.id, logs = [] }
      registry  = { id = data.azurerm_container_registry.this.id, logs = ["ContainerRegistryLoginEvents", "ContainerRegistryRepositoryEvents"] }
      network   = { id = data.azurerm_virtual_network.this.id, logs = [] }
      public_ip = { id = data.azurerm_public_ip.gateway.id, logs = ["DDoSProtectionNotifications", "DDoSMitigationFlowLogs", "DDoSMitigationReports"] }
    },
    var.staging_slot ? {
      app-staging = { id = "${data.azurerm_linux_function_app.this.id}/slots/staging", logs = ["FunctionAppLogs", "AppServicePlatformLogs"] }
    } : {},
    merge([
      for store, account in data.azurerm_storage_account.this : {
        "${store}-blob"  = { id = "${account.id}/blobServices/default", logs = ["StorageRead", "StorageWrite", "StorageDelete"] }
        "${store}-queue" = { id = "${account.id}/queueServices/default", logs = ["StorageRead", "StorageWrite", "StorageDelete"] }
      }
    ]...),
  )
}

module "diagnostics" {
  source   = "../modules/diagnostics"
  for_each = local.sources

  name         = each.key
  resource_id  = each.value.id
  workspace_id = azurerm_log_analytics_workspace.this.id
  logs         = each.value.logs

  depends_on = [azurerm_resource_group_template_deployment.privacy] # before the first row comes in
}

module "security_group_diagnostics" {
  source   = "../modules/diagnostics"
  for_each = data.azurerm_network_security_group.this

  name         = "nsg-${each.key}"
  resource_id  = each.value.id
  workspace_id = azurerm_log_analytics_workspace.this.id
  logs         = ["NetworkSecurityGroupEvent", "NetworkSecurityGroupRuleCounter"]
  metrics      = false # security groups have none
}
