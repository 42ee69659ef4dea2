# Sends a resource's logs and metrics to the workspace, and nowhere else: only there do the rules of
# `audit/privacy.tf` drop query strings. Categories are named one by one, so that none comes in unseen.

variable "name" {
  description = "The name of the resource."
  type        = string
}

variable "resource_id" {
  description = "The resource."
  type        = string
}

variable "workspace_id" {
  description = "The Log Analytics workspace."
  type        = string
}

variable "logs" {
  description = "Categories of logs. AppServiceHTTPLogs is refused: it keeps whole query strings."
  type        = set(string)
  default     = []

  validation {
    condition     = !contains(var.logs, "AppServiceHTTPLogs")
    error_message = "AppServiceHTTPLogs keeps query strings, which may hold NHS numbers."
  }
}

variable "metrics" {
  description = "Whether its metrics are sent too."
  type        = bool
  default     = true
}

resource "azurerm_monitor_diagnostic_setting" "this" {
  name                           = "diag-${var.name}"
  target_resource_id             = var.resource_id
  log_analytics_workspace_id     = var.workspace_id
  log_analytics_destination_type = "Dedicated" # tables of their own: AzureDiagnostics has no transformations

  dynamic "enabled_log" {
    for_each = var.logs
    content {
      category = enabled_log.value
    }
  }

  dynamic "enabled_metric" {
    for_each = var.metrics ? ["AllMetrics"] : []
    content {
      category = enabled_metric.value
    }
  }
}
