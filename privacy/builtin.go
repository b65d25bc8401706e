package privacy

// builtin names what is never read whatever the ignore files say, in the language of gitignore(5), compared
// without regard to case. It holds files whose purpose is to keep a secret; secrets inside other files are
// the detector's business. An entry that would hide ordinary source (id_map.go, .env.example) is let in again.
const builtin = `
.env
.env.*
*.env
.envrc
.flaskenv
.dev.vars
!.env.example
!.env.sample
!.env.template
!.env.dist
!example.env
!sample.env

*.pem
*.key
*.p8
*.p12
*.pfx
*.pkcs12
*.ppk
*.jks
*.jceks
*.keystore
*.kdbx
*.kdb
*.keytab
*.keychain
*.keychain-db
*.gpg
*.pgp
*.agekey
*.ovpn
secring.*
master.key

id_*
!id_*.*
!id_*/
id_rsa*
id_dsa*
id_ecdsa*
id_ed25519*
id_xmss*

.npmrc
.yarnrc
.yarnrc.yml
.pypirc
.netrc
_netrc
.pgpass
.my.cnf
.mylogin.cnf
.git-credentials
.htpasswd
.dockercfg
.docker/config.json
.s3cfg
.boto
.passwd-s3fs
.databrickscfg
.sentryclirc
.Renviron
.vault-token
.vault_pass*
.terraformrc
terraform.rc
rclone.conf
.cargo/credentials
.cargo/credentials.toml
.gem/credentials
.composer/auth.json
.m2/settings.xml
.bash_history
.zsh_history
.psql_history
.mysql_history
.python_history
.node_repl_history

.aws/
.azure/
.oci/
.ssh/
.gnupg/
.kube/
.pulumi/
.password-store/
.config/gcloud/
kubeconfig
kubeconfig.*
*.kubeconfig

*.tfstate
*.tfstate.*
*.tfvars
*.tfvars.json
.terraform/

credentials.json
application_default_credentials.json
client_secret*.json
*service-account*.json
*service_account*.json
secrets.json
secrets.toml
secrets.yml
secrets.yaml
local.settings.json
wp-config.php

.git
git~1
`
