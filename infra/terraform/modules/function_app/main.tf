# The service: a Function App in a container on a plan of its own, private, scaled by load.

variable "place" {
  description = "Where it is made, and the tags that it bears."
  type = object({
    resource_group_name = string
    location            = string
    tags                = map(string)
  })
}

variable "plan_name" {
  description = "The name of the App Service plan."
  type        = string
}

variable "name" {
  description = "The name of the Function App."
  type        = string
}

variable "sku_name" {
  description = "The size of an instance."
  type        = string
  default     = "P2v3"
}

variable "instances" {
  description = "How many instances there are at least and at most."
  type = object({
    least = number
    most  = number
  })

  validation {
    condition     = var.instances.least >= 1 && var.instances.least <= var.instances.most
    error_message = "At least one instance, and no fewer at most than at least."
  }
}

variable "workers" {
  description = "Processes of an instance that serve."
  type        = number
}

variable "zone_redundant" {
  description = "Whether the instances are spread over zones."
  type        = bool
}

variable "staging_slot" {
  description = "Whether a release is warmed up in a slot and swapped in."
  type        = bool
}

variable "identity" {
  description = "The managed identity that the app works as."
  type = object({
    id        = string
    client_id = string
  })
}

variable "image" {
  description = "The image that a new app starts from; afterwards the pipeline alone says which one runs."
  type = object({
    registry = string
    name     = string
    digest   = string
  })

  validation {
    condition     = can(regex("^sha256:[0-9a-f]{64}$", var.image.digest))
    error_message = "An image is named by its digest, sha256: and 64 hex digits; a tag may come to mean another."
  }
}

variable "storage_account_name" {
  description = "The store of the Functions host."
  type        = string
}

variable "app_settings" {
  description = "The app settings, secrets as Key Vault references."
  type        = map(string)
}

variable "insights_connection_string" {
  description = "A Key Vault reference to the connection string of Application Insights."
  type        = string
}

variable "background_functions" {
  description = "Functions that must run once, so not in the staging slot: timers and the blob trigger."
  type        = set(string)
}

variable "subnet_id" {
  description = "The subnet that the app calls out from."
  type        = string
}

variable "endpoints" {
  description = "The subnet of private endpoints, and the private DNS zone of sites."
  type = object({
    subnet_id   = string
    dns_zone_id = string
  })
}

locals {
  health_check = "/api/healthcheck" # not /ready: an outage of the database is no reason to restart instances
  sticky       = [for function in var.background_functions : "AzureWebJobs.${function}.Disabled"]

  app_settings = merge(var.app_settings, {
    AZURE_CLIENT_ID                     = var.identity.client_id
    AzureWebJobsStorage__accountName    = var.storage_account_name
    AzureWebJobsStorage__credential     = "managedidentity"
    AzureWebJobsStorage__clientId       = var.identity.client_id
    FUNCTIONS_WORKER_RUNTIME            = "python"
    FUNCTIONS_WORKER_PROCESS_COUNT      = tostring(var.workers)
    WEBSITES_ENABLE_APP_SERVICE_STORAGE = "false"
    WEBSITES_PORT                       = "8080" # as the Dockerfile has it: nobody but root may listen on 80
    # 30 s to answer what is under way, and a few to close
    WEBSITES_CONTAINER_STOP_TIME_LIMIT = "60"
    # A swap waits until the new release takes callbacks, database and migrations included.
    WEBSITE_SWAP_WARMUP_PING_PATH     = "/api/healthcheck/ready"
    WEBSITE_SWAP_WARMUP_PING_STATUSES = "200"
    # Application Insights takes only identities that may write to it.
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING = "ClientId=${var.identity.client_id};Authorization=AAD"
  })
}

resource "azurerm_service_plan" "this" {
  name                   = var.plan_name
  resource_group_name    = var.place.resource_group_name
  location               = var.place.location
  os_type                = "Linux"
  sku_name               = var.sku_name
  worker_count           = var.instances.least
  zone_balancing_enabled = var.zone_redundant
  tags                   = var.place.tags

  lifecycle {
    ignore_changes = [worker_count] # autoscale's to say

    precondition {
      condition     = !var.zone_redundant || var.instances.least >= 2
      error_message = "Instances spread over zones are at least two."
    }
  }
}

resource "azurerm_monitor_autoscale_setting" "this" {
  name                = "autoscale-${var.plan_name}"
  resource_group_name = var.place.resource_group_name
  location            = var.place.location
  target_resource_id  = azurerm_service_plan.this.id
  tags                = var.place.tags

  profile {
    name = "load"

    capacity {
      minimum = var.instances.least
      default = var.instances.least
      maximum = var.instances.most
    }

    dynamic "rule" {
      # Out soon and by two, in late and by one: Notify's callbacks come in bursts.
      for_each = [
        { metric = "CpuPercentage", operator = "GreaterThan", threshold = 60, window = "PT5M", direction = "Increase", by = 2, cooldown = "PT5M" },
        { metric = "CpuPercentage", operator = "LessThan", threshold = 25, window = "PT15M", direction = "Decrease", by = 1, cooldown = "PT15M" },
        { metric = "HttpQueueLength", operator = "GreaterThan", threshold = 50, window = "PT5M", direction = "Increase", by = 2, cooldown = "PT5M" },
        { metric = "HttpQueueLength", operator = "LessThan", threshold = 5, window = "PT15M", direction = "Decrease", by = 1, cooldown = "PT15M" },
      ]
      content {
        metric_trigger {
          metric_name        = rule.value.metric
          metric_namespace   = "microsoft.web/serverfarms"
          metric_resource_id = azurerm_service_plan.this.id
          time_grain         = "PT1M"
          statistic          = "Average"
          time_window        = rule.value.window
          time_aggregation   = "Average"
          operator           = rule.value.operator
          threshold          = rule.value.threshold
        }

        scale_action {
          direction = rule.value.direction
          type      = "ChangeCount"
          value     = rule.value.by
          cooldown  = rule.value.cooldown
        }
      }
    }
  }
}

resource "azurerm_linux_function_app" "this" {
  name                                           = var.name
  resource_group_name                            = var.place.resource_group_name
  location                                       = var.place.location
  service_plan_id                                = azurerm_service_plan.this.id
  functions_extension_version                    = "~4"
  https_only                                     = true
  public_network_access_enabled                  = false
  virtual_network_subnet_id                      = var.subnet_id
  vnet_image_pull_enabled                        = true
  storage_account_name                           = var.storage_account_name
  storage_uses_managed_identity                  = true
  key_vault_reference_identity_id                = var.identity.id
  builtin_logging_enabled                        = false
  ftp_publish_basic_authentication_enabled       = false
  webdeploy_publish_basic_authentication_enabled = false
  app_settings                                   = local.app_settings
  tags                                           = var.place.tags

  identity {
    type         = "UserAssigned"
    identity_ids = [var.identity.id]
  }

  site_config {
    always_on                                     = true
    http2_enabled                                 = true
    minimum_tls_version                           = "1.2"
    scm_minimum_tls_version                       = "1.2"
    ftps_state                                    = "Disabled"
    vnet_route_all_enabled                        = true
    ip_restriction_default_action                 = "Deny"
    scm_ip_restriction_default_action             = "Deny"
    health_check_path                             = local.health_check
    health_check_eviction_time_in_min             = 5
    container_registry_use_managed_identity       = true
    container_registry_managed_identity_client_id = var.identity.client_id
    application_insights_connection_string        = var.insights_connection_string

    application_stack {
      docker {
        registry_url = "https://${var.image.registry}"
        # The provider joins name and tag with a colon, which gives REGISTRY/NAME@sha256:DIGEST.
        image_name = "${var.image.name}@sha256"
        image_tag  = trimprefix(var.image.digest, "sha256:")
      }
    }
  }

  sticky_settings {
    app_setting_names = local.sticky
  }

  lifecycle {
    ignore_changes = [site_config[0].application_stack] # the pipeline's to say
  }
}

resource "azurerm_linux_function_app_slot" "staging" {
  count = var.staging_slot ? 1 : 0

  name                                           = "staging"
  function_app_id                                = azurerm_linux_function_app.this.id
  functions_extension_version                    = "~4"
  https_only                                     = true
  public_network_access_enabled                  = false
  virtual_network_subnet_id                      = var.subnet_id
  vnet_image_pull_enabled                        = true
  storage_account_name                           = var.storage_account_name
  storage_uses_managed_identity                  = true
  key_vault_reference_identity_id                = var.identity.id
  builtin_logging_enabled                        = false
  ftp_publish_basic_authentication_enabled       = false
  webdeploy_publish_basic_authentication_enabled = false
  app_settings                                   = merge(local.app_settings, { for name in local.sticky : name => "1" })
  tags                                           = var.place.tags

  identity {
    type         = "UserAssigned"
    identity_ids = [var.identity.id]
  }

  site_config {
    always_on                                     = true
    http2_enabled                                 = true
    minimum_tls_version                           = "1.2"
    scm_minimum_tls_version                       = "1.2"
    ftps_state                                    = "Disabled"
    vnet_route_all_enabled                        = true
    ip_restriction_default_action                 = "Deny"
    scm_ip_restriction_default_action             = "Deny"
    health_check_path                             = local.health_check
    health_check_eviction_time_in_min             = 5
    container_registry_use_managed_identity       = true
    container_registry_managed_identity_client_id = var.identity.client_id
    application_insights_connection_string        = var.insights_connection_string

    application_stack {
      docker {
        registry_url = "https://${var.image.registry}"
        image_name   = "${var.image.name}@sha256"
        image_tag    = trimprefix(var.image.digest, "sha256:")
      }
    }
  }

  lifecycle {
    ignore_changes = [site_config[0].application_stack]
  }
}

module "endpoint" {
  source   = "../private_endpoint"
  for_each = toset(var.staging_slot ? ["sites", "sites-staging"] : ["sites"])

  name        = var.name
  place       = var.place
  resource_id = azurerm_linux_function_app.this.id
  subresource = each.key
  subnet_id   = var.endpoints.subnet_id
  dns_zone_id = var.endpoints.dns_zone_id

  depends_on = [azurerm_linux_function_app_slot.staging]
}

output "id" {
  description = "The id of the app."
  value       = azurerm_linux_function_app.this.id
}

output "host" {
  description = "The app's host name, private."
  value       = azurerm_linux_function_app.this.default_hostname
}
