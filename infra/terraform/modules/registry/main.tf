# The registry of images: private, no admin account, pulled and pushed by identities.

variable "place" {
  description = "Where it is made, and the tags that it bears."
  type = object({
    resource_group_name = string
    location            = string
    tags                = map(string)
  })
}

variable "name" {
  description = "The name of the registry."
  type        = string
}

variable "zone_redundant" {
  description = "Whether it spans zones."
  type        = bool
}

variable "pullers" {
  description = "The principals that pull images, by what they are."
  type        = map(string)
}

variable "pushers" {
  description = "The principals that push and import images, by what they are."
  type        = map(string)
}

variable "endpoints" {
  description = "The subnet of private endpoints, and the private DNS zone of registries."
  type = object({
    subnet_id   = string
    dns_zone_id = string
  })
}

resource "azurerm_container_registry" "this" {
  name                          = var.name
  resource_group_name           = var.place.resource_group_name
  location                      = var.place.location
  sku                           = "Premium" # the only one with private endpoints
  admin_enabled                 = false
  anonymous_pull_enabled        = false
  public_network_access_enabled = false
  network_rule_bypass_option    = "AzureServices" # the import of an image from the registry of the environment before
  data_endpoint_enabled         = true
  zone_redundancy_enabled       = var.zone_redundant
  tags                          = var.place.tags
}

resource "azurerm_role_assignment" "pull" {
  for_each = var.pullers

  scope                = azurerm_container_registry.this.id
  role_definition_name = "AcrPull"
  principal_id         = each.value
}

resource "azurerm_role_assignment" "push" {
  for_each = var.pushers

  scope                = azurerm_container_registry.this.id
  role_definition_name = "AcrPush"
  principal_id         = each.value
}

module "endpoint" {
  source = "../private_endpoint"

  name        = var.name
  place       = var.place
  resource_id = azurerm_container_registry.this.id
  subresource = "registry"
  subnet_id   = var.endpoints.subnet_id
  dns_zone_id = var.endpoints.dns_zone_id
}

output "id" {
  description = "The id of the registry."
  value       = azurerm_container_registry.this.id
}

output "login_server" {
  description = "The registry's host name."
  value       = azurerm_container_registry.this.login_server
}
