set -e
mk() { # name keyargs subject days ext startdays
  openssl genpkey $2 -out $1.key 2>/dev/null
  openssl req -new -x509 -key $1.key -subj "$3" -days $4 -set_serial $5 $6 -outform DER -out $1.der
  wc -c $1.der
}
mk piv_authentication "-algorithm EC -pkeyopt ec_paramgen_curve:P-256" "/C=XX/O=Example Corporation, Ltd./OU=Department of Examples/CN=Jo \"The Card\" Doe" 3650 0x0102030405060708 "-addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=clientAuth,1.3.6.1.4.1.311.20.2.2,1.2.3.4"
mk digital_signature "-algorithm RSA -pkeyopt rsa_keygen_bits:2048" "/CN=Jo Doe" 3650 0x02 "-addext keyUsage=critical,digitalSignature,nonRepudiation -addext subjectKeyIdentifier=none -addext authorityKeyIdentifier=none"
mk key_management "-algorithm EC -pkeyopt ec_paramgen_curve:P-384" "/C=XX/O=Example Corporation/CN=Jo Doe" 3650 0x03 "-addext keyUsage=critical,keyAgreement"
mk card_authentication "-algorithm EC -pkeyopt ec_paramgen_curve:P-256" "/C=XX/O=Example Corporation/CN=card 00000000-0000-4000-8000-000000000001" 3650 0x04 "-addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=critical,2.16.840.1.101.3.6.8"
