# The vault of secrets. Terraform never writes a secret of the service into it: people do, so no state holds one.

variable "place" {
  description = "Where it is made, and the tags that it bears."
  type = object({
    resource_group_name = string
    location            = string
    tags                = map(string)
  })
}

variable "name" {
  description = "The name of the vault."
  type        = string
}

variable "tenant_id" {
  description = "The Entra tenant."
  type        = string
}

variable "endpoints" {
  description = "The subnet of private endpoints, and the private DNS zone of vaults."
  type = object({
    subnet_id   = string
    dns_zone_id = string
  })
}

variable "readers" {
  description = "The principals that may read secrets, by what they are."
  type        = map(string)
}

resource "azurerm_key_vault" "this" {
  name                          = var.name
  resource_group_name           = var.place.resource_group_name
  location                      = var.place.location
  tenant_id                     = var.tenant_id
  sku_name                      = "standard"
  rbac_authorization_enabled    = true
  purge_protection_enabled      = true
  soft_delete_retention_days    = 90
  public_network_access_enabled = false
  tags                          = var.place.tags

  network_acls {
    default_action = "Deny"
    bypass         = "None"
  }
}

resource "azurerm_role_assignment" "reader" {
  for_each = var.readers

  scope                = azurerm_key_vault.this.id
  role_definition_name = "Key Vault Secrets User"
  principal_id         = each.value
}

module "endpoint" {
  source = "../private_endpoint"

  name        = var.name
  place       = var.place
  resource_id = azurerm_key_vault.this.id
  subresource = "vault"
  subnet_id   = var.endpoints.subnet_id
  dns_zone_id = var.endpoints.dns_zone_id
}

output "id" {
  description = "The id of the vault."
  value       = azurerm_key_vault.this.id
}

output "uri" {
  description = "The address of the vault, without a slash at its end."
  value       = trimsuffix(azurerm_key_vault.this.vault_uri, "/")
}
