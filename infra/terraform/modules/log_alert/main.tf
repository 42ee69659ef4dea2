# One alert over the logs: fires when its query returns anything.

variable "place" {
  description = "Where it is made, and the tags that it bears."
  type = object({
    resource_group_name = string
    location            = string
    tags                = map(string)
  })
}

variable "name" {
  description = "The name of the alert, as docs/operations.md explains it."
  type        = string
}

variable "description" {
  description = "What is wrong, in one sentence, for whoever is woken."
  type        = string
}

variable "query" {
  description = "The query; it returns rows where something is wrong, and none where nothing is."
  type        = string
}

variable "severity" {
  description = "0 critical, 1 error, 2 warning, 3 informational."
  type        = number
}

variable "every" {
  description = "How often the query runs, as ISO 8601 has it."
  type        = string
  default     = "PT5M"
}

variable "window" {
  description = "How far back it looks."
  type        = string
  default     = "PT15M"
}

variable "enabled" {
  description = "Whether it is on."
  type        = bool
  default     = true
}

variable "workspace_id" {
  description = "The workspace that it asks."
  type        = string
}

variable "action_group_id" {
  description = "Who is told."
  type        = string
}

resource "azurerm_monitor_scheduled_query_rules_alert_v2" "this" {
  name                    = var.name
  resource_group_name     = var.place.resource_group_name
  location                = var.place.location
  description             = var.description
  severity                = var.severity
  enabled                 = var.enabled
  scopes                  = [var.workspace_id]
  evaluation_frequency    = var.every
  window_duration         = var.window
  auto_mitigation_enabled = true
  skip_query_validation   = true # tables appear with their first row
  tags                    = var.place.tags

  criteria {
    query                   = var.query
    time_aggregation_method = "Count"
    operator                = "GreaterThan"
    threshold               = 0
  }

  action {
    action_groups = [var.action_group_id]
  }
}
