# A query string may hold an NHS number (`GET /api/statuses?nhsNumber=…`). None is stored: every table that may
# get one loses it on the way in, before anybody can query it. These transformations belong to the workspace and
# work on whatever is sent to these tables, by diagnostic settings and by Application Insights alike.

locals {
  without_query = "tostring(split(%s, '?')[0])"

  # For each table the columns that may hold a query string, and how what stands there is made harmless.
  cut_at_question_mark = {
    AGWAccessLogs   = ["RequestUri", "OriginalRequestUriWithArgs"]
    AGWFirewallLogs = ["RequestUri"]
    AppRequests     = ["Url", "Name", "OperationName"]
    AppDependencies = ["Data", "Name", "Target", "OperationName"]
    AppTraces       = ["OperationName"]
    AppExceptions   = ["OperationName"]
    StorageBlobLogs = ["Uri", "RefererHeader"]
  }

  emptied = {
    AGWAccessLogs   = ["RequestQuery"]
    AGWFirewallLogs = ["DetailedData", "DetailedMessage"] # the text that matched, which may be an argument's
  }

  # Free text: a row that speaks of the argument is not stored at all.
  dropped = {
    AppTraces       = "Message"
    AppExceptions   = "OuterMessage"
    FunctionAppLogs = "Message"
  }

  masked = setunion(keys(local.cut_at_question_mark), keys(local.emptied), keys(local.dropped))

  transformations = {
    for table in local.masked : table => join(" | ", concat(
      ["source"],
      contains(keys(local.dropped), table) ? ["where not(${local.dropped[table]} has 'nhsNumber')"] : [],
      [for column in lookup(local.cut_at_question_mark, table, []) : "extend ${column} = ${format(local.without_query, column)}"],
      [for column in lookup(local.emptied, table, []) : "extend ${column} = ''"],
    ))
  }
}

resource "azurerm_monitor_data_collection_rule" "privacy" {
  name                = "dcr-${local.names.workspace}-privacy"
  resource_group_name = azurerm_resource_group.audit.name
  location            = var.location
  kind                = "WorkspaceTransforms"
  description         = "Drops query strings, which may hold NHS numbers."
  tags                = module.names.tags

  data_sources {} # a workspace's transformations have none, and Azure wants that said

  destinations {
    log_analytics {
      name                  = "workspace"
      workspace_resource_id = azurerm_log_analytics_workspace.this.id
    }
  }

  dynamic "data_flow" {
    for_each = local.transformations
    content {
      streams       = ["Microsoft-Table-${data_flow.key}"]
      destinations  = ["workspace"]
      transform_kql = data_flow.value
    }
  }
}

# The rule needs the workspace and the workspace names the rule: the second half is set afterwards, as Microsoft's
# own tutorial does it, by a deployment of the workspace with the one property more.
resource "azurerm_resource_group_template_deployment" "privacy" {
  name                = "workspace-privacy"
  resource_group_name = azurerm_resource_group.audit.name
  deployment_mode     = "Incremental"
  tags                = module.names.tags

  template_content = jsonencode({
    "$schema"      = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
    contentVersion = "1.0.0.0"
    resources = [{
      type       = "Microsoft.OperationalInsights/workspaces"
      apiVersion = "2023-09-01"
      name       = azurerm_log_analytics_workspace.this.name
      location   = var.location
      tags       = module.names.tags
      properties = {
        sku                                 = { name = "PerGB2018" }
        retentionInDays                     = var.retention_days
        features                            = { disableLocalAuth = true, enableLogAccessUsingOnlyResourcePermissions = true }
        defaultDataCollectionRuleResourceId = azurerm_monitor_data_collection_rule.privacy.id
      }
    }]
  })
}
