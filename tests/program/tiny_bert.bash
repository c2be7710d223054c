# A BERT classifier of three classes with random weights, in Hugging Face's form; to be sourced.

tiny_bert() { # tiny_bert FOLDER: 60 tokens, 12 positions
  mkdir -p "$1"
  cp "${source_folder:-${QUERN_SOURCE:-.}}"/tests/goldens/bert_classifier/{config.json,model.safetensors} "$1"
  {
    printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' , . good superb bad awful the a of film plot cast scene music and
    printf '%s\n' with it was story long short so 0 1 2 3 4 5 6 7 8 9 '##s' '##ly' '##er'
  } >"$1/vocab.txt"
}
